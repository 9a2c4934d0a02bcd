"""What the tests of the personalities share: their charts and their clients."""

import base64
from typing import Any

import httpx

from tests.sandbox_fixture import RunningSandbox

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OPEN, CLOSED = "e-open", "e-closed"
VISIT = {
    "resourceType": "Encounter",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "subject": {"reference": "Patient/p1"},
}


def play(sandbox: RunningSandbox, personality: str, **settings: object) -> None:
    """Let the sandbox play a vendor, with an open and a closed encounter of Patient/p1 in its chart."""
    sandbox.settings(personality=personality, **settings)
    sandbox.seed([{**VISIT, "id": OPEN}, {**VISIT, "id": CLOSED, "status": "finished"}])


def patched(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The resource with the changes; a change to None leaves the element out."""
    return {name: value for name, value in {**resource, **changes}.items() if value is not None}


def quantity(value: float, code: str) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def vital(code: str = "8867-4", value: float = 72, unit: str = "/min", **changes: Any) -> dict[str, Any]:
    """A vital sign of Patient/p1 in the open encounter."""
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": f"Encounter/{OPEN}"},
        "effectiveDateTime": "2026-03-01T10:00:00Z",
        "valueQuantity": quantity(value, unit),
    }
    return patched(resource, changes)


def allergy(**changes: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
        "category": ["medication"],
        "code": {**concept(SNOMED, "372687004", "Amoxicillin"), "text": "amoxi"},
        "patient": {"reference": "Patient/p1"},
        "recordedDate": "2026-03-01",
        "reaction": [{"manifestation": [concept(SNOMED, "126485001", "Urticaria")]}],
    }
    return patched(resource, changes)


def problem(verification: str = "confirmed", **changes: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "Condition",
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", verification),
        "category": [concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
        "code": concept(SNOMED, "44054006", "Type 2 diabetes"),
        "subject": {"reference": "Patient/p1"},
    }
    return patched(resource, changes)


def note(encounter: str = OPEN, **changes: Any) -> dict[str, Any]:
    text = base64.b64encode(b"Seen today.").decode()
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final",
        "type": concept(LOINC, "11506-3", "Progress note"),
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "text/plain", "data": text}}],
        "context": {"encounter": [{"reference": f"Encounter/{encounter}"}]},
    }
    return patched(resource, changes)


def concept(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def accept_all(sandbox: RunningSandbox, decision: str = "accept") -> list[str]:
    """A clinician decides over everything that waits; returns the references."""
    waiting = sandbox.admin.get("held").json()["held"]
    for item in waiting:
        assert sandbox.admin.post(f"held/{item['id']}/{decision}").is_success
    return [item["reference"] for item in waiting]


def vendor_code(answer: httpx.Response) -> str:
    """The number in the details of an OperationOutcome."""
    found: str = answer.json()["issue"][0]["details"]["coding"][0]["code"]
    return found
