"""Canvas Medical as one instance has it: our codes mapped to FDB, tasks for what it takes in no other way."""

from __future__ import annotations

import base64

from tests.conformance.connection import ATTRIBUTION, LISINOPRIL, PENICILLIN, PLAIN_MEDICATION, SIG, TO, Connection
from tests.factories import ABSENT, LOINC, Json, concept

_FDB = "http://www.fdbhealth.com/"
#: A note as a document of one page.
_PDF: Json = {
    "docType": concept(LOINC, "34109-9", "Note"),
    "content": ABSENT,
    "attachment": {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()},
}
CONNECTION = Connection(
    lists=frozenset(
        {
            ("AllergyUpdate", "record"),
            ("AllergyUpdate", "retract"),
            ("MedicationChange", "correct"),
            ("MedicationChange", "start"),
            ("ProblemUpdate", "add"),
            ("ProblemUpdate", "retract"),
        }
    ),
    options={
        "codes": {"medication": {LISINOPRIL: "244899"}, "allergy": {PENICILLIN: "2-7980"}},
        "note_reviewer": "Practitioner/d1",
        "leaves_out": ATTRIBUTION,
        **TO,
    },
    by_patients=frozenset({("CareMessage", "send")}),
    says={
        "MedicationChange": PLAIN_MEDICATION,
        ("AllergyUpdate", "record"): {"category": ABSENT, "criticality": ABSENT},
        ("CareMessage", "send"): {"topic": ABSENT},
        ("ClinicalNote", "create"): _PDF,
        ("AllergyUpdate", "retract"): {"code": concept(_FDB, "2-7980", "penicillin G")},
        ("MedicationChange", "correct"): {"dosage": [{**SIG, "text": "Take 1 tablet by mouth at bedtime"}]},
        ("CareTask", "create"): {"owner": {"reference": "Practitioner/d1"}},
        ("CareTask", "update"): {"priority": ABSENT, "description": "Call her daughter about the missed doses"},
    },
)
