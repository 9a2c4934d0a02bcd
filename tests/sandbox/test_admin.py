from typing import Any

import httpx
import pytest

from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox


def test_nobody_passes_without_the_secret(sandbox: RunningSandbox) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(f"{sandbox.origin}/admin/requests", headers=headers).status_code == 401
        assert httpx.post(f"{sandbox.origin}/admin/reset", headers=headers).status_code == 401


def test_a_seed_keeps_ids_and_is_no_write(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    entries = [{"resource": observation(id="o1")}, {"resource": observation(id="o2")}]
    sandbox.seed({"resourceType": "Bundle", "type": "collection", "entry": entries})
    answer = fhir.get("Observation/o1")
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"1"')
    assert sandbox.requests(method="POST") == []
    assert sandbox.history("Observation/o1")[0]["source"] == "seed"


@pytest.mark.parametrize(
    ("resources", "status"),
    [
        ([observation(id="o1"), observation(id="o1")], 409),
        ([observation(id="o1"), observation()], 422),
        ([observation(id="o1"), observation(id="o2", status="done")], 422),
        ([observation(id="o1"), {"resourceType": "Unicorn", "id": "1"}], 422),
        ({"resourceType": "Observation"}, 400),
        (["text"], 400),
    ],
)
def test_a_seed_is_stored_whole_or_not_at_all(sandbox: RunningSandbox, resources: Any, status: int) -> None:
    assert sandbox.admin.post("seed", json=resources).status_code == status
    assert sandbox.resources() == []


def test_an_edit_is_the_next_version_by_somebody_else(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    sandbox.seed([observation(id="o1")])
    sandbox.faults({"fault": "drop_before_commit"})
    sandbox.settings(missing_if_match="reject")
    shown = sandbox.edit(observation(id="o1", status="amended"), source="Dr. Mocklin")
    assert (shown["version"], shown["source"]) == ("2", "Dr. Mocklin")
    assert sandbox.resources("Observation")[0]["status"] == "amended"
    assert [it["source"] for it in sandbox.history("Observation/o1")] == ["seed", "Dr. Mocklin"]
    assert sandbox.requests() == []


def test_a_clinician_may_write_something_new_and_delete(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    sandbox.edit(observation(id="own"))
    assert fhir.get("Observation/own").status_code == 200
    sandbox.delete("Observation/own")
    assert fhir.get("Observation/own").status_code == 410
    assert sandbox.admin.post("edit", json={"delete": "Observation/own"}).status_code == 404


@pytest.mark.parametrize(
    "edit", [{}, {"resource": observation()}, {"resource": observation(id="o1", status="done")}, {"colour": "blue"}]
)
def test_an_edit_that_makes_no_sense_is_refused(sandbox: RunningSandbox, edit: dict[str, Any]) -> None:
    assert 400 <= sandbox.admin.post("edit", json=edit).status_code < 500
    assert sandbox.resources() == []


def test_history_shows_every_version(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    made = fhir.post("Observation", json=observation()).json()
    path = f"Observation/{made['id']}"
    fhir.put(path, json={**made, "status": "amended"})
    fhir.delete(path)
    history = sandbox.history(path)
    assert [it["version"] for it in history] == ["1", "2", "3"]
    assert [it["deleted"] for it in history] == [False, False, True]
    assert [it["resource"] and it["resource"]["status"] for it in history] == ["final", "amended", None]
    assert [it["source"] for it in history] == [None, None, None]
    assert sandbox.history("Observation/nobody") == []


def test_a_reset_forgets_all_but_the_count(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    fhir.post("Observation", json=observation())
    before = sandbox.requests()[-1]["id"]
    sandbox.faults({"fault": "conflict"})
    sandbox.settings(stale_status=409)
    sandbox.reset()
    assert sandbox.resources() == []
    assert sandbox.requests() == []
    assert sandbox.fired() == {}
    assert sandbox.admin.get("settings").json()["stale_status"] == 412
    fhir.get("Patient/p1")
    assert sandbox.requests()[0]["id"] > before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "faults", [{"fault": "earthquake"}]),
        ("PUT", "faults", {}),
        ("PATCH", "settings", {"stale_status": 418}),
        ("PATCH", "settings", {"colour": "blue"}),
        ("PATCH", "settings", []),
        ("POST", "clients", {"client_id": "a"}),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    sandbox: RunningSandbox, method: str, path: str, body: Any
) -> None:
    before = sandbox.admin.get("settings").json()
    assert 400 <= sandbox.admin.request(method, path, json=body).status_code < 500
    assert sandbox.admin.get("settings").json() == before
    assert sandbox.fired() == {}


def test_no_json_is_refused(sandbox: RunningSandbox) -> None:
    for path in ("seed", "edit", "clients"):
        assert sandbox.admin.post(path, content=b"{").status_code == 400


def test_the_log_tells_each_request_and_what_became_of_it(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    headers = {
        "If-None-Exist": "identifier=urn:test|a",
        "Prefer": "return=minimal",
        "X-Correlation-Id": "c-1",
        "X-Request-Id": "r-1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    fhir.post("Observation", json=identified("a"), headers={**headers, "Authorization": "Bearer secret"})
    fhir.post("Observation", json=observation(status="done"))
    fhir.get("Observation", params={"patient": "p1"})
    fhir.get("Unicorn/1")
    first, second, third, fourth = sandbox.requests()
    assert (first["method"], first["path"], first["status"], first["answer"]) == (
        "POST",
        "/fhir/Observation",
        201,
        201,
    )
    assert first["headers"] == {name.lower(): value for name, value in headers.items()}
    assert (first["reference"], first["version"]) == (
        f"Observation/{sandbox.resources('Observation')[0]['id']}",
        "1",
    )
    assert len(first["body_sha256"]) == 64
    assert first["body_sha256"] != second["body_sha256"]
    assert (second["status"], second["reference"]) == (422, None)
    assert (third["interaction"], third["query"], third["status"]) == ("search-type", "patient=p1", 200)
    assert (fourth["interaction"], fourth["status"]) == ("none", 404)
    assert [entry["id"] for entry in sandbox.requests(since=second["id"])] == [third["id"], fourth["id"]]


def test_the_log_cannot_be_asked_from_nowhere(sandbox: RunningSandbox) -> None:
    assert sandbox.admin.get("requests", params={"since": "yesterday"}).status_code == 400
