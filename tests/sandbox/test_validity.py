"""What the EHR refuses to store, and how it says so."""

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.resources import medication_statement, observation
from tests.sandbox_fixture import RunningSandbox

REQUEST = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "metformin"},
    "subject": {"reference": "Patient/p1"},
}
ENCOUNTER = {
    "resourceType": "Encounter",
    "status": "in-progress",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/p1"},
}
QUANTITY = {"unit": "kg"}


@pytest.mark.parametrize(
    ("resource", "element"),
    [
        (observation(status="done"), "Observation.status"),
        (observation(status=None), "Observation.status"),
        (observation(code=None), "Observation.code"),
        (observation(effectiveDateTime="2026-01-01T10:00"), "Observation.effectiveDateTime"),
        (observation(valueQuantity={**QUANTITY, "value": "72.5"}), "Observation.valueQuantity.value"),
        (observation(valueString="x"), "Observation"),
        (observation(colour="blue"), "Observation.colour"),
        (medication_statement(status="final"), "MedicationStatement.status"),
        (medication_statement(medicationCodeableConcept=None), "MedicationStatement"),
        (medication_statement(subject=None), "MedicationStatement.subject"),
        ({**REQUEST, "intent": "wish"}, "MedicationRequest.intent"),
        ({"resourceType": "Patient", "gender": "f"}, "Patient.gender"),
        ({**ENCOUNTER, "status": "open"}, "Encounter.status"),
    ],
)
def test_a_broken_resource_is_refused_with_its_element(
    fhir: httpx.Client, sandbox: RunningSandbox, resource: dict[str, Any], element: str
) -> None:
    before = sandbox.resources()
    answer = fhir.post(resource["resourceType"], json=resource)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == [element]
    assert sandbox.resources() == before


@pytest.mark.parametrize("resource", [observation(), medication_statement(), REQUEST, ENCOUNTER])
def test_a_whole_resource_is_taken(fhir: httpx.Client, resource: dict[str, Any]) -> None:
    assert fhir.post(resource["resourceType"], json=resource).status_code == 201


def test_the_refusal_never_quotes_a_value(fhir: httpx.Client) -> None:
    answer = fhir.post("Observation", json=observation(status="Dummett", effectiveDateTime="Dummett"))
    assert answer.status_code == 422
    assert "Dummett" not in answer.text


def test_the_status_of_a_refusal_is_a_setting(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(invalid_status=400)
    assert fhir.post("Observation", json=observation(status="done")).status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"resourceType":"Patient"}', b'{"resourceType":"Observation","status":NaN}'],
)
def test_a_body_that_is_not_the_resource_is_refused(fhir: httpx.Client, body: bytes) -> None:
    answer = fhir.post("Observation", content=body)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/fhir+json", 201),
        ("application/json; charset=UTF-8", 201),
        ("application/fhir+xml", 415),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
    ],
)
def test_only_json_in_utf_8_is_understood(fhir: httpx.Client, content_type: str, status: int) -> None:
    content = json.dumps(observation())
    answer = fhir.post("Observation", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status


def test_a_subject_that_is_not_in_the_chart_is_refused(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    stranger = observation(subject={"reference": "Patient/nobody"})
    answer = fhir.post("Observation", json=stranger)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Observation.subject"]
    sandbox.settings(unknown_reference="accept")
    assert fhir.post("Observation", json=stranger).status_code == 201


def test_a_deleted_subject_is_not_in_the_chart(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.delete("Patient/p1")
    assert fhir.post("Observation", json=observation()).status_code == 422


def test_an_absolute_reference_into_this_chart_is_understood(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    here = observation(subject={"reference": f"{sandbox.url}/Patient/p1"})
    assert fhir.post("Observation", json=here).status_code == 201
    assert fhir.get("Observation", params={"patient": "p1"}).json()["total"] == 1
    there = observation(subject={"reference": "https://elsewhere.example/fhir/Patient/p1"})
    assert fhir.post("Observation", json=there).status_code == 422


def test_an_encounter_of_another_patient_is_refused(fhir: httpx.Client) -> None:
    encounter = fhir.post("Encounter", json=ENCOUNTER).json()
    reference = {"reference": f"Encounter/{encounter['id']}"}
    assert fhir.post("Observation", json=observation(encounter=reference)).status_code == 201
    answer = fhir.post("Observation", json=observation(encounter=reference, subject={"reference": "Patient/p2"}))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["code"] == "business-rule"
