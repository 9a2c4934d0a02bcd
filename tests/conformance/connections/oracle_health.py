"""Oracle Health as one site has it: pressures paired, messages for what it takes in no other way."""

from __future__ import annotations

from tests.conformance.connection import ATTRIBUTION, PLAIN_MEDICATION, TO, Connection
from tests.factories import EFFECTIVE

_NURSE = [{"reference": "Practitioner/n1"}]
CONNECTION = Connection(
    takes_provenance=True,
    lists=frozenset(
        {
            ("AllergyUpdate", "record"),
            ("AllergyUpdate", "update"),
            ("MedicationChange", "start"),
            ("MedicationChange", "stop"),
            ("ProblemUpdate", "add"),
            ("ProblemUpdate", "update"),
        }
    ),
    visits=frozenset({"ClinicalNote", "ImmunizationRecord"}),
    options={
        "pairs_blood_pressure": True,
        "leaves_out": [*ATTRIBUTION, "changeReason"],
        **TO,
    },
    says={
        ("ClinicalNote", "create"): {"period": {"end": EFFECTIVE}},
        ("VitalReading", "record"): {"performer": _NURSE},
        ("VitalReading", "correct"): {"performer": _NURSE},
        "MedicationChange": PLAIN_MEDICATION,
    },
)
