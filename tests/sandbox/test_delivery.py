"""Every fault as a real client meets it, with what became of the write, and that it fired."""

import datetime as dt
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox

CONDITION = {"If-None-Exist": "identifier=urn:test|a"}


def create(fhir: httpx.Client) -> httpx.Response:
    return fhir.post("Observation", json=identified("a"), headers=CONDITION)


def stored(sandbox: RunningSandbox) -> int:
    return len(sandbox.resources("Observation"))


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def last(sandbox: RunningSandbox) -> dict[str, Any]:
    return sandbox.requests()[-1]


@pytest.mark.parametrize(
    ("reset", "seen"), [(True, httpx.ReadError), (False, httpx.RemoteProtocolError)], ids=["reset", "close"]
)
def test_commit_then_drop_stores_and_says_nothing(
    fhir: httpx.Client, sandbox: RunningSandbox, *, reset: bool, seen: type[Exception]
) -> None:
    sandbox.faults({"id": "cut", "fault": "commit_then_drop", "times": 1, "parameters": {"reset": reset}})
    with pytest.raises(seen):
        create(fhir)
    assert sandbox.fired() == {"cut": 1}
    assert stored(sandbox) == 1
    entry = last(sandbox)
    assert (entry["status"], entry["answer"], entry["fault"]) == ("dropped", 201, "commit_then_drop")
    assert entry["reference"] == f"Observation/{sandbox.resources('Observation')[0]['id']}"
    assert create(fhir).status_code == 200


def test_commit_then_drop_keeps_an_update_too(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = create(fhir).json()
    sandbox.faults({"fault": "commit_then_drop", "match": {"method": "PUT"}})
    with pytest.raises(httpx.ReadError):
        fhir.put(f"Observation/{made['id']}", json={**made, "status": "amended"}, headers={"If-Match": 'W/"1"'})
    assert sandbox.resources("Observation")[0]["status"] == "amended"
    assert sandbox.fired() == {"rule-1": 1}


def test_a_refused_write_that_is_dropped_stores_nothing(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "commit_then_drop"})
    with pytest.raises(httpx.ReadError):
        fhir.post("Observation", json=observation(status="done"))
    assert stored(sandbox) == 0
    assert (last(sandbox)["status"], last(sandbox)["answer"]) == ("dropped", 422)


def test_drop_before_commit_stores_nothing(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "drop_before_commit", "nth": 1})
    with pytest.raises(httpx.ReadError):
        create(fhir)
    assert stored(sandbox) == 0
    assert sandbox.fired() == {"rule-1": 1}
    assert (last(sandbox)["status"], last(sandbox)["answer"]) == ("dropped", None)
    assert create(fhir).status_code == 201


def test_a_read_can_be_dropped_too(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "drop_before_commit", "match": {"interaction": "read"}})
    with pytest.raises(httpx.ReadError):
        fhir.get("Patient/p1")
    assert sandbox.fired() == {"rule-1": 1}


def test_late_commit_stores_after_the_client_gave_up(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "late_commit", "times": 1, "parameters": {"seconds": 0.3}})
    with pytest.raises(httpx.ReadError):
        create(fhir)
    assert stored(sandbox) == 0
    assert last(sandbox)["answer"] is None
    wait_for(lambda: stored(sandbox) == 1)
    entries = sandbox.requests(fault="late_commit")
    assert [(entry["status"], entry["answer"], entry["version"]) for entry in entries] == [("dropped", 201, "1")]
    assert sandbox.fired() == {"rule-1": 1}


def test_late_commit_still_honours_its_condition(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "late_commit", "times": 1, "parameters": {"seconds": 0.2}})
    with pytest.raises(httpx.ReadError):
        create(fhir)
    assert create(fhir).status_code == 201
    wait_for(lambda: sandbox.requests(fault="late_commit")[0]["answer"] == 200)
    assert stored(sandbox) == 1


def test_a_late_commit_is_forgotten_by_a_reset(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "late_commit", "parameters": {"seconds": 0.1}})
    with pytest.raises(httpx.ReadError):
        create(fhir)
    sandbox.reset()
    sandbox.settings(commit_delay_s=0.3)
    sandbox.seed([{"resourceType": "Patient", "id": "p1"}])
    # A write that takes longer than the late one was due.
    assert fhir.post("Observation", json=observation()).status_code == 201
    assert stored(sandbox) == 1


@pytest.mark.parametrize(("when", "present"), [("before", 0), ("after", 1)])
def test_delay_waits_on_either_side_of_the_commit(
    fhir: httpx.Client, sandbox: RunningSandbox, when: str, present: int
) -> None:
    sandbox.faults({"fault": "delay", "times": 1, "parameters": {"seconds": 0.6, "when": when}})
    with pytest.raises(httpx.ReadTimeout):
        fhir.post("Observation", json=identified("a"), timeout=0.3)
    assert stored(sandbox) == present
    assert sandbox.fired() == {"rule-1": 1}
    wait_for(lambda: stored(sandbox) == 1)


def test_a_delayed_answer_arrives(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "delay", "parameters": {"seconds": 0.2}})
    answer = create(fhir)
    assert answer.status_code == 201
    assert answer.elapsed >= dt.timedelta(seconds=0.2)


@pytest.mark.parametrize(("fault", "present"), [("error_after_commit", 1), ("error_before_commit", 0)])
@pytest.mark.parametrize("status", [None, 503])
def test_an_error_tells_nothing_about_the_commit(
    fhir: httpx.Client, sandbox: RunningSandbox, fault: str, present: int, status: int | None
) -> None:
    sandbox.faults({"fault": fault, "parameters": {"status": status}})
    answer = create(fhir)
    assert answer.status_code == (status or 500)
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert stored(sandbox) == present
    assert sandbox.fired() == {"rule-1": 1}
    assert last(sandbox)["answer"] == (201 if present else None)


def test_throttle_says_when_to_come_back_or_does_not(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "throttle"})
    bare = create(fhir)
    sandbox.faults({"fault": "throttle", "parameters": {"retry_after": 7}})
    seconds = create(fhir)
    sandbox.faults({"fault": "throttle", "parameters": {"retry_after": 60, "retry_after_form": "http-date"}})
    date = create(fhir)
    assert [it.status_code for it in (bare, seconds, date)] == [429, 429, 429]
    assert "Retry-After" not in bare.headers
    assert seconds.headers["Retry-After"] == "7"
    ahead = parsedate_to_datetime(date.headers["Retry-After"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=55) < ahead <= dt.timedelta(seconds=62)
    assert stored(sandbox) == 0
    assert sandbox.fired() == {"rule-1": 1}


@pytest.mark.parametrize("status", [409, 412])
def test_conflict_refuses_without_a_reason(fhir: httpx.Client, sandbox: RunningSandbox, status: int) -> None:
    sandbox.faults({"fault": "conflict", "parameters": {"status": status}})
    assert create(fhir).status_code == status
    assert stored(sandbox) == 0
    assert sandbox.fired() == {"rule-1": 1}


def test_a_truncated_body_breaks_off(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "truncated_body"})
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        create(fhir)
    assert stored(sandbox) == 1
    assert sandbox.fired() == {"rule-1": 1}


def test_a_truncated_body_may_look_whole(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "truncated_body", "parameters": {"framed": True}})
    answer = create(fhir)
    assert answer.status_code == 201
    with pytest.raises(ValueError):
        answer.json()
    assert stored(sandbox) == 1
    assert sandbox.fired() == {"rule-1": 1}


def test_an_empty_body_may_take_headers_with_it(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "empty_body", "parameters": {"without": ["ETag"]}})
    answer = create(fhir)
    assert (answer.status_code, answer.content) == (201, b"")
    assert "Location" in answer.headers
    assert "ETag" not in answer.headers
    assert stored(sandbox) == 1
    assert sandbox.fired() == {"rule-1": 1}


def test_read_lag_hides_a_write_from_reads_by_id_for_a_while(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = create(fhir).json()
    path = f"Observation/{made['id']}"
    sandbox.faults({"fault": "read_lag", "parameters": {"seconds": 0.6}})
    assert fhir.get(path).status_code == 404
    assert fhir.get("Observation").json()["total"] == 1
    wait_for(lambda: fhir.get(path).status_code == 200)
    fhir.put(path, json={**made, "status": "amended"}, headers={"If-Match": 'W/"1"'})
    assert fhir.get(path).headers["ETag"] == 'W/"1"'
    wait_for(lambda: fhir.get(path).headers["ETag"] == 'W/"2"')
    assert sandbox.fired()["rule-1"] >= 4


def test_stale_search_hides_a_write_from_searches_for_a_while(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "stale_search", "parameters": {"seconds": 0.6}})
    made = create(fhir).json()
    find = {"identifier": "urn:test|a"}
    assert fhir.get("Observation", params=find).json()["total"] == 0
    assert fhir.get(f"Observation/{made['id']}").status_code == 200
    assert create(fhir).status_code == 200
    wait_for(lambda: fhir.get("Observation", params=find).json()["total"] == 1)
    assert sandbox.fired()["rule-1"] >= 2


def test_a_stale_index_may_blind_the_condition_of_a_create(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "stale_search", "parameters": {"seconds": 30, "conditional": True}})
    assert [create(fhir).status_code for _ in range(2)] == [201, 201]
    assert sandbox.fired() == {"rule-1": 2}


def test_duplicate_delivery_processes_twice_and_answers_the_second(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "duplicate_delivery"})
    assert fhir.post("Observation", json=observation()).status_code == 201
    assert stored(sandbox) == 2
    assert [entry["status"] for entry in sandbox.requests(fault="duplicate_delivery")] == ["dropped", 201]
    assert sandbox.fired() == {"rule-1": 1}


def test_duplicate_delivery_meets_its_own_guard(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "duplicate_delivery"})
    answer = create(fhir)
    assert answer.status_code == 200
    made = answer.json()
    changed = {**made, "status": "amended"}
    answer = fhir.put(f"Observation/{made['id']}", json=changed, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 412
    assert sandbox.resources("Observation")[0]["status"] == "amended"
    assert stored(sandbox) == 1


def test_an_answer_without_a_commit_tells_of_what_is_not_there(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = create(fhir).json()
    sandbox.faults({"fault": "answer_without_commit", "times": 1})
    answer = fhir.put(f"Observation/{made['id']}", json={**made, "status": "amended"})
    assert (answer.status_code, answer.json()["status"]) == (200, "amended")
    assert fhir.get(f"Observation/{made['id']}").json() == made
    assert [entry["status"] for entry in sandbox.requests(fault="answer_without_commit")] == [200]
    assert fhir.put(f"Observation/{made['id']}", json={**made, "status": "amended"}).status_code == 200
    assert sandbox.resources("Observation")[0]["status"] == "amended"


@pytest.mark.parametrize("commit", [False, True])
def test_hang_leaves_the_client_waiting(fhir: httpx.Client, sandbox: RunningSandbox, *, commit: bool) -> None:
    sandbox.faults({"fault": "hang", "times": 1, "parameters": {"seconds": 30, "commit": commit}})
    with pytest.raises(httpx.ReadTimeout):
        fhir.post("Observation", json=identified("a"), timeout=0.3)
    assert stored(sandbox) == int(commit)
    assert last(sandbox)["status"] == "hung"
    assert sandbox.fired() == {"rule-1": 1}


def test_a_hanging_connection_is_ended_in_time(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "hang", "parameters": {"seconds": 0.2}})
    with pytest.raises(httpx.ReadError):
        create(fhir)
    assert sandbox.fired() == {"rule-1": 1}


def test_after_the_faults_are_gone_all_is_well(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "drop_before_commit"})
    with pytest.raises(httpx.ReadError):
        create(fhir)
    assert sandbox.admin.delete("faults").status_code == 204
    assert sandbox.fired() == {}
    assert create(fhir).status_code == 201
