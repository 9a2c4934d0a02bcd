"""The quirks of the EHR behind `fumage`, each played over HTTP."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.server import SandboxSettings, make_app
from tests.sandbox.vendor import LOINC, OPEN, allergy, concept, note, play, problem, quantity, vital
from tests.sandbox_fixture import RunningSandbox

FDB = "http://www.fdbhealth.com/"
NOTE = "http://schemas.example/fhir/extensions/note-id"


@pytest.fixture
def canvas(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    play(sandbox, "canvas")
    return fhir


def made(client: httpx.Client, resource: dict[str, Any]) -> str:
    answer = client.post(resource["resourceType"], json=resource)
    assert answer.status_code == 201, answer.text
    return f"{resource['resourceType']}/{answer.headers['Location'].split('/')[-3]}"


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationReference": {"reference": "Medication/fdb-1"},
        "subject": {"reference": "Patient/p1"},
        "dosage": [{"text": "one"}, {"text": "two"}],
        **changes,
    }


def of_drugs(**changes: Any) -> dict[str, Any]:
    return allergy(code=concept(FDB, "2-15588", "Amoxicillin"), **changes)


def put(client: httpx.Client, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return client.put(path, json={**body, "id": path.partition("/")[2]}, headers=headers)


def test_a_create_answers_null_and_an_http_location_with_history(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = canvas.post("Condition", json=problem())
    assert (answer.status_code, answer.text) == (201, "null")
    made_id = answer.headers["Location"].split("/")[-3]
    assert answer.headers["Location"] == f"{sandbox.url}/Condition/{made_id}/_history/1"
    assert "ETag" not in answer.headers
    assert "fumage-correlation-id" in answer.headers
    assert canvas.get(f"Condition/{made_id}").status_code == 200


def test_the_location_is_http_though_the_call_is_https(tmp_path: Path) -> None:
    settings = SandboxSettings(data_dir=tmp_path, personality="canvas", open=True, public_url="https://ehr.example")
    app = make_app(settings)

    async def create() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="https://ehr.example") as client,
        ):
            return await client.post("/fhir/Patient", json={"resourceType": "Patient"})

    assert asyncio.run(create()).headers["Location"].startswith("http://ehr.example/fhir/Patient/")


def test_the_published_framework_answers_nothing_and_a_bare_location(
    canvas: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.settings(location="bare", default_return="minimal")
    answer = canvas.post("Condition", json=problem())
    assert answer.content == b""
    assert answer.headers["Location"].startswith("/Condition/")


def test_a_put_of_a_condition_is_entered_in_error_whatever_it_says(canvas: httpx.Client) -> None:
    path = made(canvas, problem())
    answer = put(canvas, path, problem(note=[{"text": "still there"}]))
    assert (answer.status_code, answer.text) == (200, "null")
    found = canvas.get(path).json()
    assert found["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "note" not in found


@pytest.mark.parametrize("resource", [of_drugs(), statement()], ids=["allergy", "medication"])
def test_another_update_is_200_and_without_effect(canvas: httpx.Client, resource: dict[str, Any]) -> None:
    path = made(canvas, resource)
    before = canvas.get(path).json()
    changed = {**resource, "note": [{"text": "changed"}]}
    assert put(canvas, path, changed).status_code == 200
    assert canvas.get(path).json() == before


def test_an_update_that_says_entered_in_error_retracts(canvas: httpx.Client) -> None:
    path = made(canvas, statement())
    put(canvas, path, statement(status="entered-in-error"))
    assert canvas.get(path).json()["status"] == "entered-in-error"
    path = made(canvas, of_drugs())
    wrong = concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "entered-in-error")
    put(canvas, path, of_drugs(clinicalStatus=None, verificationStatus=wrong))
    assert canvas.get(path).json()["verificationStatus"]["coding"][0]["code"] == "entered-in-error"


def test_a_put_of_a_task_adds_its_notes_again_and_deletes_what_is_left_out(canvas: httpx.Client) -> None:
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "unknown",
        "description": "Call",
        "for": {"reference": "Patient/p1"},
        "note": [{"text": "one"}],
    }
    path = made(canvas, task)
    put(canvas, path, {name: value for name, value in task.items() if name != "description"})
    found = canvas.get(path).json()
    assert [it["text"] for it in found["note"]] == ["one", "one"]
    assert "description" not in found
    assert canvas.post("Task", json={**task, "intent": "order"}).status_code == 422


def test_a_put_of_a_patient_matches_elements_by_id_and_drops_contacts_left_out(canvas: httpx.Client) -> None:
    phones = [{"system": "phone", "value": "1"}, {"system": "phone", "value": "2"}]
    person = {"resourceType": "Patient", "gender": "female", "name": [{"family": "One"}], "telecom": phones}
    path = made(canvas, person)
    first = canvas.get(path).json()["telecom"][0]
    put(
        canvas,
        path,
        {"resourceType": "Patient", "telecom": [{**first, "value": "9"}, {"system": "email", "value": "e"}]},
    )
    found = canvas.get(path).json()
    assert [it["value"] for it in found["telecom"]] == ["9", "e"]
    assert (found["gender"], found["name"][0]["family"]) == ("female", "One")
    put(canvas, path, {"resourceType": "Patient"})
    assert "telecom" not in canvas.get(path).json()


def test_if_unmodified_since_holds_an_update_to_the_second_and_if_match_is_ignored(
    canvas: httpx.Client, sandbox: RunningSandbox
) -> None:
    path = made(canvas, problem())
    modified = canvas.get(path).headers["Last-Modified"]
    long_ago = formatdate(0, usegmt=True)
    stale = put(canvas, path, problem(), **{"If-Unmodified-Since": long_ago})
    assert (stale.status_code, stale.json()["issue"][0]["code"]) == (412, "conflict")
    assert canvas.get(path).json()["verificationStatus"]["coding"][0]["code"] == "confirmed"
    fresh = {"If-Unmodified-Since": modified, "If-Match": 'W/"other"'}
    assert put(canvas, path, problem(), **fresh).status_code == 200


def test_a_change_within_the_same_second_is_overwritten_unseen(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    path = made(canvas, problem())
    sandbox.edit({**canvas.get(path).json(), "note": [{"text": "a clinician's"}]})
    # Whoever read in that second, before the edit, has this very date.
    second = canvas.get(path).headers["Last-Modified"]
    assert put(canvas, path, problem(), **{"If-Unmodified-Since": second}).status_code == 200


def test_values_come_back_in_other_units(canvas: httpx.Client) -> None:
    for resource, expected in (
        (vital("8302-2", 180, "cm"), (70.87, "[in_i]")),
        (vital("29463-7", 72.5, "kg"), (2557.36, "[oz_av]")),
        (vital("8310-5", 98.6, "[degF]"), (98.6, "[degF]")),
    ):
        found = canvas.get(made(canvas, resource)).json()["valueQuantity"]
        assert (found["value"], found["code"]) == expected


def test_a_weight_without_a_unit_is_ounces(canvas: httpx.Client) -> None:
    path = made(canvas, vital("29463-7", valueQuantity={"value": 72}))
    assert canvas.get(path).json()["valueQuantity"]["code"] == "[oz_av]"


@pytest.mark.parametrize(
    "resource",
    [
        vital("8310-5", 37, "Cel"),
        vital("29463-7", 72500, "g"),
        vital("8867-4", valueQuantity=None),
        vital("39156-5", 22, "kg/m2"),
        vital(status="amended"),
        vital("85354-9", valueQuantity=None),
        allergy(),
        statement(medicationReference={"reference": "Medication/1"}),
        note(),
    ],
)
def test_a_broken_rule_is_422_business_rule(canvas: httpx.Client, resource: dict[str, Any]) -> None:
    answer = canvas.post(resource["resourceType"], json=resource)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule")
    assert answer.json()["issue"][0]["details"]["text"]


def test_a_saturation_makes_a_twin_of_itself(canvas: httpx.Client) -> None:
    made(canvas, vital("59408-5", 97, "%", identifier=[{"system": "urn:test", "value": "a"}]))
    twins = canvas.get("Observation", params={"code": "2708-6"}).json()
    assert twins["total"] == 1
    assert "identifier" not in twins["entry"][0]["resource"]


def test_a_reading_gets_a_panel_and_a_second_of_its_kind_is_refused(
    canvas: httpx.Client, sandbox: RunningSandbox
) -> None:
    path = made(canvas, vital())
    panel = canvas.get(path).json()["derivedFrom"]
    again = canvas.post("Observation", json=vital(derivedFrom=panel, effectiveDateTime="2026-03-01T11:00:00Z"))
    assert again.status_code == 422
    made(canvas, vital("9279-1", 16, derivedFrom=panel))
    made(canvas, vital())
    panels = [it for it in sandbox.resources("Observation") if it["code"]["coding"][0]["code"] == "85353-1"]
    assert len(panels) == 2


def test_a_blood_pressure_is_words_and_components(canvas: httpx.Client) -> None:
    halves = [{"code": concept(LOINC, "8480-6"), "valueQuantity": quantity(120, "mm[Hg]")}]
    made(canvas, vital("85354-9", valueQuantity=None, valueString="120/80", component=halves))


def test_two_creates_at_once_for_one_note_are_not_taken(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(commit_delay_s=0.3)

    def attempt(number: int) -> int:
        with httpx.Client(base_url=f"{sandbox.url}/", timeout=10) as client:
            body = vital(effectiveDateTime=f"2026-03-01T10:0{number}:00Z")
            headers = {"Content-Type": "application/fhir+json"}
            return client.post("Observation", json=body, headers=headers).status_code

    with ThreadPoolExecutor(3) as pool:
        statuses = sorted(pool.map(attempt, range(3)))
    assert statuses == [201, 422, 422]


def test_a_locked_note_takes_nothing(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    in_note: dict[str, Any] = {"extension": [{"url": NOTE, "valueId": "n1"}], "encounter": None}
    made(canvas, vital(**in_note))
    for reference in ("Note/n1", f"Encounter/{OPEN}"):
        sandbox.admin.post("lock", json={"reference": reference}).raise_for_status()
    assert canvas.post("Observation", json=vital(**in_note)).status_code == 422
    assert canvas.post("Observation", json=vital()).status_code == 422
    both: dict[str, Any] = {"extension": in_note["extension"], "encounter": {"reference": "Encounter/other"}}
    assert canvas.post("Observation", json=vital(**both)).status_code == 422


def test_only_the_first_dosage_is_kept(canvas: httpx.Client) -> None:
    assert [it["text"] for it in canvas.get(made(canvas, statement())).json()["dosage"]] == ["one"]


def test_a_condition_is_not_deduplicated(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    marked = problem(identifier=[{"system": "urn:test", "value": "a"}])
    for _ in range(2):
        answer = canvas.post("Condition", json=marked, headers={"If-None-Exist": "identifier=urn:test|a"})
        assert answer.status_code == 201
    assert len(sandbox.resources("Condition")) == 2


def test_a_double_booking_is_refused_where_the_instance_is_set_so(
    canvas: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.settings(quirks={"refuses_double_booking": True})
    booking = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2026-03-01T10:00:00Z",
        "participant": [{"actor": {"reference": "Practitioner/dr"}, "status": "accepted"}],
    }
    path = made(canvas, booking)
    assert canvas.post("Appointment", json=booking).status_code == 422
    later = {"resourceType": "Appointment", "status": "arrived", "participant": booking["participant"]}
    assert put(canvas, path, later).status_code == 200
    assert canvas.get(path).json()["start"] == "2026-03-01T10:00:00Z"


def test_a_failure_has_a_misspelt_code(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "error_before_commit"})
    answer = canvas.post("Condition", json=problem())
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (500, "excepetion")


def test_without_a_token_the_code_is_unknown(canvas: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(open=False)
    answer = canvas.post("Condition", json=problem())
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (401, "unknown")


@pytest.mark.parametrize("type", ["MedicationRequest", "Encounter", "Procedure", "Provenance"])
def test_what_is_read_only_is_405(canvas: httpx.Client, type: str) -> None:
    assert canvas.post(type, json={"resourceType": type}).status_code == 405


def test_a_care_team_is_updated_into_being(canvas: httpx.Client) -> None:
    team = {"resourceType": "CareTeam", "subject": {"reference": "Patient/p1"}}
    assert put(canvas, "CareTeam/t1", team).status_code == 201
    assert canvas.post("CareTeam", json=team).status_code == 405
