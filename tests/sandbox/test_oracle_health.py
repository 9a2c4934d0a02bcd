"""Oracle Health Millennium's quirks, each played over HTTP."""

from typing import Any

import httpx
import pytest

from tests.sandbox.vendor import LOINC, OPEN, allergy, concept, note, play, problem, quantity, vital
from tests.sandbox_fixture import RunningSandbox

CEUUID = "https://fhir.cerner.com/ceuuid"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
FUNCTION = "http://hl7.org/fhir/StructureDefinition/event-performerFunction"


@pytest.fixture
def millennium(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    play(sandbox, "oracle_health")
    return fhir


def performer(code: str = "LA") -> dict[str, Any]:
    function = {"url": FUNCTION, "valueCodeableConcept": {"coding": [{"code": code}]}}
    return {"reference": "Practitioner/dr", "extension": [function]}


def reading(**changes: Any) -> dict[str, Any]:
    return vital(**{"performer": [performer()], **changes})


def document(**changes: Any) -> dict[str, Any]:
    period = {"start": "2026-03-01T10:00:00Z", "end": "2026-03-01T10:00:00Z"}
    return note(context={"encounter": [{"reference": f"Encounter/{OPEN}"}], "period": period}, **changes)


def reported(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "reportedBoolean": True,
        "medicationCodeableConcept": {"text": "metformin"},
        "subject": {"reference": "Patient/p1"},
        **changes,
    }


def made(client: httpx.Client, resource: dict[str, Any]) -> tuple[str, httpx.Response]:
    answer = client.post(resource["resourceType"], json=resource)
    assert answer.status_code == 201, answer.text
    return "/".join(answer.headers["Location"].split("/")[-2:]), answer


def test_a_create_answers_empty_in_html_with_an_absolute_location_without_history(
    millennium: httpx.Client, sandbox: RunningSandbox
) -> None:
    path, answer = made(millennium, reading())
    assert (answer.content, answer.headers["Content-Length"]) == (b"", "0")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Location"] == f"{sandbox.url}/{path}"
    assert path.startswith("Observation/VS-")
    assert all(name in answer.headers for name in ("ETag", "Last-Modified", "X-Request-Id"))


def test_a_preference_for_the_resource_is_not_looked_at(millennium: httpx.Client) -> None:
    answer = millennium.post("Observation", json=reading(), headers={"Prefer": "return=representation"})
    assert answer.content == b""


def test_versions_are_no_counters(millennium: httpx.Client) -> None:
    _, request = made(millennium, reported())
    assert request.headers["ETag"] == 'W/"0"'
    _, observation = made(millennium, reading())
    assert observation.headers["ETag"] == 'W/"1"'
    path, condition = made(millennium, problem())
    assert condition.headers["ETag"] == f'W/"{path.removeprefix("Condition/p")}"'
    changed = millennium.put(
        path, json={**problem(), "id": path.partition("/")[2], "note": [{"text": "x"}]}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200
    first, second = (int(it.headers["ETag"].strip('W/"')) for it in (condition, changed))
    assert second > first


def test_a_stale_update_is_409_and_a_locked_one_423(millennium: httpx.Client, sandbox: RunningSandbox) -> None:
    path, answer = made(millennium, problem())
    body = {**problem(), "id": path.partition("/")[2], "note": [{"text": "x"}]}
    stale = millennium.put(path, json=body, headers={"If-Match": 'W/"7"'})
    assert (stale.status_code, stale.json()["issue"][0]["code"]) == (409, "conflict")
    sandbox.admin.post("lock", json={"reference": path}).raise_for_status()
    locked = millennium.put(path, json=body, headers={"If-Match": answer.headers["ETag"]})
    assert (locked.status_code, locked.json()["issue"][0]["code"]) == (423, "lock-error")
    sandbox.admin.post("lock", json={"reference": path, "seconds": 0}).raise_for_status()
    assert millennium.put(path, json=body, headers={"If-Match": answer.headers["ETag"]}).status_code == 200


def test_an_appointment_needs_if_match_and_other_types_do_not(millennium: httpx.Client) -> None:
    booking = {
        "resourceType": "Appointment",
        "status": "booked",
        "slot": [{"reference": "Slot/1"}],
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    }
    path, answer = made(millennium, booking)
    steps = [{"op": "replace", "path": "/status", "value": "cancelled"}]
    assert millennium.patch(path, json=steps, headers=JSON_PATCH).status_code == 412
    guarded = {**JSON_PATCH, "If-Match": answer.headers["ETag"]}
    assert millennium.patch(path, json=steps, headers=guarded).status_code == 200
    body = {**problem(), "note": [{"text": "x"}]}
    path, _ = made(millennium, problem())
    assert millennium.put(path, json={**body, "id": path.partition("/")[2]}).status_code == 200


def test_a_field_left_out_of_a_put_is_cleared(millennium: httpx.Client) -> None:
    path, _ = made(millennium, allergy(criticality="high"))
    body = {**allergy(), "id": path.partition("/")[2]}
    assert millennium.put(path, json=body).status_code == 200
    assert "criticality" not in millennium.get(path).json()


def test_a_stopped_medication_is_kept_as_cancelled(millennium: httpx.Client, sandbox: RunningSandbox) -> None:
    path, answer = made(millennium, reported())
    steps = [{"op": "replace", "path": "/status", "value": "stopped"}]
    patched = millennium.patch(path, json=steps, headers={**JSON_PATCH, "If-Match": answer.headers["ETag"]})
    assert (patched.status_code, patched.content, patched.headers["ETag"]) == (200, b"", 'W/"1"')
    assert millennium.get(path).json()["status"] == "cancelled"
    sandbox.settings(quirks={"stop_is_kept_as": "asked"})
    path, _ = made(millennium, reported())
    millennium.patch(path, json=steps, headers=JSON_PATCH)
    assert millennium.get(path).json()["status"] == "stopped"


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "replace", "path": "/status", "value": "completed"}],
        [{"op": "replace", "path": "/medicationCodeableConcept/text", "value": "other"}],
        [{"op": "add", "path": "/note", "value": [{"text": "x"}]}],
    ],
)
def test_only_the_listed_paths_and_statuses_are_patched(millennium: httpx.Client, steps: list[Any]) -> None:
    path, _ = made(millennium, reported())
    assert millennium.patch(path, json=steps, headers=JSON_PATCH).status_code == 422
    assert millennium.get(path).json()["status"] == "active"


def test_an_indexed_element_is_replaced_only_after_a_test_of_its_id(millennium: httpx.Client) -> None:
    person = {"resourceType": "Patient", "telecom": [{"id": "CI-1", "system": "phone", "value": "1"}]}
    path, _ = made(millennium, person)
    change = {"op": "replace", "path": "/telecom/0/value", "value": "2"}
    assert millennium.patch(path, json=[change], headers=JSON_PATCH).status_code == 422
    proof = {"op": "test", "path": "/telecom/0/id", "value": "CI-1"}
    assert millennium.patch(path, json=[proof, change], headers=JSON_PATCH).status_code == 200
    assert millennium.get(path).json()["telecom"][0]["value"] == "2"
    wrong = {"op": "test", "path": "/telecom/0/id", "value": "CI-9"}
    assert millennium.patch(path, json=[wrong, change], headers=JSON_PATCH).status_code == 422


def test_patch_is_taken_as_an_overridden_post(millennium: httpx.Client) -> None:
    path, _ = made(millennium, reported())
    steps = [{"op": "replace", "path": "/status", "value": "stopped"}]
    headers = {**JSON_PATCH, "X-HTTP-Method-Override": "PATCH"}
    assert millennium.post(path, json=steps, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("resource", "status", "code"),
    [
        (reading(performer=None), 422, "required"),
        (reading(performer=[performer("PPRF")]), 422, "business-rule"),
        (reading(performer=[{"reference": "Practitioner/dr"}]), 422, "required"),
        (reading(status="preliminary"), 422, "business-rule"),
        (reading(category=None), 422, "business-rule"),
        (reading(component=[{"code": {"text": "x"}, "valueQuantity": quantity(1, "/min")}]), 422, "business-rule"),
        (reading(modifierExtension=[{"url": "urn:x", "valueBoolean": True}]), 422, "extension"),
        (reading(implicitRules="urn:x"), 422, "not-supported"),
        (problem(clinicalStatus=None), 422, "required"),
        (problem("refuted"), 422, "business-rule"),
        (problem(category=[concept("urn:x", "health-concern")]), 422, "business-rule"),
        (problem(category=[concept("urn:x", "encounter-diagnosis")]), 422, "required"),
        (allergy(category=["biologic"]), 422, "business-rule"),
        (allergy(reaction=None), 422, "required"),
        (reported(reportedBoolean=False), 422, "business-rule"),
        (reported(status="stopped"), 422, "business-rule"),
        (document(docStatus="preliminary"), 422, "business-rule"),
        (note(), 422, "required"),
        (document(content=note()["content"] * 2), 422, "business-rule"),
    ],
)
def test_a_broken_rule_is_422_with_its_kind(
    millennium: httpx.Client, resource: dict[str, Any], status: int, code: str
) -> None:
    answer = millennium.post(resource["resourceType"], json=resource)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (status, code)
    assert answer.json()["issue"][0]["severity"] == "fatal"


def test_a_vitals_update_names_its_ceuuid_and_is_amended_or_corrected(millennium: httpx.Client) -> None:
    path, _ = made(millennium, reading())
    stored = millennium.get(path).json()
    assert stored["identifier"][0]["system"] == CEUUID
    changed = {
        **{name: value for name, value in stored.items() if name != "meta"},
        "valueQuantity": quantity(80, "/min"),
    }
    assert millennium.put(path, json=changed).status_code == 422
    assert millennium.put(path, json={**changed, "status": "corrected", "identifier": []}).status_code == 422
    assert millennium.put(path, json={**changed, "status": "corrected"}).status_code == 200


def test_the_read_payload_sent_back_is_a_bare_400(millennium: httpx.Client) -> None:
    path, _ = made(millennium, document())
    stored = millennium.get(path).json()
    assert millennium.put(path, json={**stored, "docStatus": "amended"}).status_code == 400
    without_meta = {name: value for name, value in stored.items() if name != "meta"}
    assert millennium.put(path, json={**without_meta, "docStatus": "amended"}).status_code == 200


def test_content_comes_back_changed(millennium: httpx.Client) -> None:
    path, _ = made(millennium, allergy(category=["environment", "food"]))
    assert millennium.get(path).json()["category"] == ["food"]
    path, _ = made(millennium, problem())
    assert [it["userSelected"] for it in millennium.get(path).json()["code"]["coding"]] == [True, False]
    xhtml = [{"attachment": {"contentType": "application/xhtml+xml", "data": "PGRpdi8+"}}]
    path, _ = made(millennium, document(content=xhtml))
    assert millennium.get(path).json()["content"][0]["attachment"]["contentType"] == "application/rtf"


def test_a_problem_keeps_both_codes_of_its_author_and_needs_no_status_as_an_error(millennium: httpx.Client) -> None:
    codings = [
        {"system": "http://snomed.info/sct", "code": "44054006", "userSelected": True},
        {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"},
    ]
    path, _ = made(millennium, problem(code={"coding": codings}))
    kept = millennium.get(path).json()["code"]["coding"]
    assert [(it["code"], it["userSelected"]) for it in kept] == [("44054006", True), ("E11.9", False)]
    error = {**problem("entered-in-error", clinicalStatus=None), "id": path.partition("/")[2]}
    assert millennium.put(path, json=error).status_code == 200
    assert millennium.post("Condition", json=problem(clinicalStatus=None)).status_code == 422


def test_nothing_known_needs_no_manifestation(millennium: httpx.Client) -> None:
    known = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003"}]}
    made(millennium, allergy(code=known, reaction=None))
    assert millennium.post("AllergyIntolerance", json=allergy(reaction=None)).status_code == 422


def test_a_condition_keeps_its_notes(millennium: httpx.Client) -> None:
    path, _ = made(millennium, problem(note=[{"text": "first"}]))
    body = {**problem(), "id": path.partition("/")[2]}
    assert millennium.put(path, json={**body, "note": [{"text": "changed"}]}).status_code == 422
    assert millennium.put(path, json={**body, "note": [{"text": "first"}, {"text": "more"}]}).status_code == 200


def test_batch_is_advertised_and_refused_with_422(millennium: httpx.Client) -> None:
    assert millennium.get("metadata").json()["rest"][0]["interaction"] == [{"code": "batch"}]
    assert millennium.post("", json={"resourceType": "Bundle", "type": "batch"}).status_code == 422


@pytest.mark.parametrize("type", ["ServiceRequest", "Task", "MedicationStatement", "CarePlan"])
def test_what_is_read_only_is_405(millennium: httpx.Client, type: str) -> None:
    assert millennium.post(type, json={"resourceType": type}).status_code == 405


def test_406_has_no_body(millennium: httpx.Client) -> None:
    answer = millennium.get("Patient/p1", headers={"Accept": "application/fhir+xml"})
    assert (answer.status_code, answer.content) == (406, b"")


def test_if_none_exist_is_ignored(millennium: httpx.Client, sandbox: RunningSandbox) -> None:
    marked = problem(identifier=[{"system": "urn:test", "value": "a"}])
    for _ in range(2):
        answer = millennium.post("Condition", json=marked, headers={"If-None-Exist": "identifier=urn:test|a"})
        assert answer.status_code == 201
    assert len(sandbox.resources("Condition")) == 2


def test_a_provenance_has_one_target(millennium: httpx.Client) -> None:
    resource: dict[str, Any] = {
        "resourceType": "Provenance",
        "target": [{"reference": "Condition/p1"}],
        "recorded": "2026-03-01T10:00:00Z",
        "agent": [{"who": {"display": "somebody"}}],
    }
    path, answer = made(millennium, resource)
    assert answer.headers["ETag"] == f'W/"{path.removeprefix("Provenance/doc-")}"'
    two = {**resource, "target": resource["target"] * 2}
    assert millennium.post("Provenance", json=two).status_code == 422


def test_a_message_is_the_inbox_of_a_practitioner(millennium: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.seed([{"resourceType": "Practitioner", "id": "dr"}])
    message = {
        "resourceType": "Communication",
        "status": "completed",
        "category": [concept("http://terminology.hl7.org/CodeSystem/communication-category", "notification")],
        "subject": {"reference": "Patient/p1"},
        "recipient": [{"reference": "Practitioner/dr"}],
        "payload": [{"contentAttachment": {"contentType": "text/plain", "data": "QQ=="}}],
    }
    made(millennium, message)
    changes: list[dict[str, Any]] = [
        {"status": "in-progress"},
        {"recipient": [{"reference": "Patient/p1"}]},
        {"payload": []},
    ]
    for change in changes:
        assert millennium.post("Communication", json={**message, **change}).status_code == 422


def test_a_persona_without_a_relationship_is_forbidden(millennium: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"strangers": ["p1"]})
    assert millennium.post("Observation", json=reading()).status_code == 403


def test_a_blood_pressure_has_components(millennium: httpx.Client) -> None:
    halves = [{"code": concept(LOINC, "8480-6"), "valueQuantity": quantity(120, "mm[Hg]")}]
    made(millennium, vital("85354-9", valueQuantity=None, component=halves, performer=[performer()]))
