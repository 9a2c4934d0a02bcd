"""Commands as the door accepts them, synthetic, for the tests of this room."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from canonical import exact_json
from canonical.command import Command, Governance
from canonical.envelope import parse_envelope
from canonical.lifecycle import State

COMMAND_ID = UUID("11111111-1111-4111-8111-111111111111")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PATIENT = "Patient/p1"
KG = {"unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
MMHG = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}


def number(text: str) -> Any:
    """A JSON number as written."""
    return exact_json.parse(f"[{text}]")[0]


def loinc(code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code}], "text": text}


WEIGHT: dict[str, Any] = {
    "type": "VitalReading",
    "operation": "record",
    "code": loinc("29463-7", "Body weight"),
    "valueQuantity": {"value": number("72.50"), **KG},
    "effectiveDateTime": "2026-11-22T08:15:00-05:00",
    "performer": [{"reference": "Practitioner/n1"}],
}
BLOOD_PRESSURE: dict[str, Any] = {
    "type": "VitalReading",
    "operation": "record",
    "code": loinc("85354-9", "Blood pressure"),
    "component": [
        {"code": loinc("8480-6", "Systolic"), "valueQuantity": {"value": 128, **MMHG}},
        {"code": loinc("8462-4", "Diastolic"), "valueQuantity": {"value": 82, **MMHG}},
    ],
    "effectiveDateTime": "2026-11-22T08:15:00-05:00",
}
METFORMIN = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "861007"}],
    "text": "metformin 500 MG Oral Tablet",
}
ORAL = {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}], "text": "oral"}
DOSAGE: dict[str, Any] = {
    "text": "1 tablet twice daily",
    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
    "route": ORAL,
    "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
}
START: dict[str, Any] = {
    "type": "MedicationChange",
    "operation": "start",
    "medication": METFORMIN,
    "dosage": [DOSAGE],
    "informationSource": {"reference": PATIENT},
}
REASON = [{"text": "vomiting"}]


def command(action: dict[str, Any], *, known_versions: tuple[str, ...] = (), **envelope: Any) -> Command:
    """A command with ``action`` and, where given, other members of its envelope."""
    whole = {
        "connection": "north",
        "action": action,
        "patient": {"reference": PATIENT, "birthDate": "1961-04-02", "family": "Lopez"},
        "author": {"role": "nurse"},
        "consent": {"reference": "c1"},
        **envelope,
    }
    parsed = parse_envelope(exact_json.dumps(whole))
    return Command(
        id=COMMAND_ID,
        tenant="t1",
        app="app",
        connection="north",
        lane_id=1,
        lane_seq=1,
        subject="s1",
        root=COMMAND_ID,
        state=State.READY,
        attempts=0,
        envelope=parsed,
        digest=b"\0" * 32,
        governance=Governance(consent_version=1, consent_version_now=1, consent_active=True),
        received_at=NOW,
        due_at=NOW,
        not_after=None,
        correlation_id="corr-1",
        target_reference=parsed.target.reference if parsed.target else None,
        known_versions=known_versions,
    )


def medication(operation: str, **fields: Any) -> dict[str, Any]:
    """An action on the medication list, by default with the reason most operations need."""
    reason = {} if operation in {"changeDose", "resume"} else {"statusReason": REASON}
    return {"type": "MedicationChange", "operation": operation, "medication": METFORMIN, **reason, **fields}
