"""athenaOne as one practice has it: its own numbers as ids, our codes mapped to its lists."""

from __future__ import annotations

from tests.conformance.connection import ATTRIBUTION, LISINOPRIL, PENICILLIN, PLAIN_MEDICATION, Connection, answer
from tests.factories import ABSENT, concept

_MEDICATION, _ALLERGEN = "urn:athenahealth:medication", "urn:athenahealth:allergen"
CONNECTION = Connection(
    lists=frozenset(
        {
            ("AllergyUpdate", "addReaction"),
            ("AllergyUpdate", "record"),
            ("MedicationChange", "start"),
            ("ProblemUpdate", "add"),
        }
    ),
    native="/v1/195900",
    options={
        "department_id": "1",
        "patient_id_prefix": "",
        "encounter_id_prefix": "",
        "medication_reads": "MedicationStatement",
        "accepts_update_window": True,
        "codes": {
            "medication": {LISINOPRIL: "238923", f"{_MEDICATION}|238923": "238923"},
            "allergy": {PENICILLIN: "18581", f"{_ALLERGEN}|18581": "18581"},
        },
        "leaves_out": ATTRIBUTION,
    },
    says={
        "MedicationChange": PLAIN_MEDICATION,
        ("AllergyUpdate", "record"): {"category": ABSENT},
        # Its author names the substance as the chart shows it.
        ("AllergyUpdate", "addReaction"): {"code": concept(_ALLERGEN, "18581", "penicillin G")},
        ("AllergyUpdate", "removeReaction"): {"code": concept(_ALLERGEN, "18581", "penicillin G")},
    },
    failure_inside=answer(200, {"success": False, "errormessage": "The encounter is already frozen (closed)."}),
    unknown_code=answer(400, {"error": "A sentence that nobody has seen before."}),
)
