"""Resources for the sandbox's tests, valid until a test says otherwise."""

from typing import Any

BODY_WEIGHT = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}


def observation(**changes: Any) -> dict[str, Any]:
    """A body weight of Patient/p1; a change to None leaves the element out."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": BODY_WEIGHT,
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-03-01T10:00:00+01:00",
        "valueQuantity": {
            "value": 72.5,
            "unit": "kg",
            "system": "http://unitsofmeasure.org",
            "code": "kg",
        },
        **changes,
    }
    return {name: value for name, value in resource.items() if value is not None}


def identified(value: str, **changes: Any) -> dict[str, Any]:
    return observation(identifier=[{"system": "urn:test", "value": value}], **changes)


def medication_statement(**changes: Any) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"text": "metformin 500 mg"},
        "subject": {"reference": "Patient/p1"},
        **changes,
    }
    return {name: value for name, value in resource.items() if value is not None}
