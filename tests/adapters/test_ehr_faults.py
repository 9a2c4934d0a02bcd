"""What is said of a write when something goes wrong, and what the chart then holds."""

import time
from datetime import timedelta
from typing import Any

import pytest

from canonical import exact_json
from canonical.errors import EhrUnavailableError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation, Proof, Timings
from tests.adapters.chart import (
    POST_FAULT,
    PUT_FAULT,
    TRACE,
    at,
    entry_in_chart,
    hold,
    marked,
    opened,
    plan,
    writes,
)
from tests.adapters.commands import WEIGHT, command, medication
from tests.adapters.raw_server import RawServer, answering, http
from tests.sandbox_fixture import RunningSandbox


@pytest.mark.parametrize(
    ("rule", "outcome", "in_chart"),
    [
        ({"fault": "commit_then_drop"}, Outcome.UNKNOWN, 1),
        ({"fault": "commit_then_drop", "parameters": {"reset": False}}, Outcome.UNKNOWN, 1),
        ({"fault": "drop_before_commit"}, Outcome.UNKNOWN, 0),
        ({"fault": "error_after_commit"}, Outcome.UNKNOWN, 1),
        ({"fault": "error_before_commit", "parameters": {"status": 503}}, Outcome.UNKNOWN, 0),
        ({"fault": "throttle", "parameters": {"retry_after": 7}}, Outcome.THROTTLED, 0),
        ({"fault": "truncated_body"}, Outcome.UNKNOWN, 1),
        ({"fault": "truncated_body", "parameters": {"framed": True}}, Outcome.APPLIED, 1),
        ({"fault": "empty_body"}, Outcome.APPLIED, 1),
        ({"fault": "empty_body", "parameters": {"without": ["location", "etag"]}}, Outcome.UNKNOWN, 1),
        ({"fault": "hang", "parameters": {"seconds": 5, "commit": True}}, Outcome.UNKNOWN, 1),
        ({"fault": "duplicate_delivery"}, Outcome.ALREADY_AT_TARGET, 1),
    ],
    ids=[
        "reset after commit",
        "closed after commit",
        "dropped",
        "500 after commit",
        "503",
        "429",
        "cut off",
        "cut off but framed",
        "no body",
        "no body nor place",
        "hang",
        "delivered twice",
    ],
)
def test_fault_is_told_as_what_it_proves_and_the_probe_finds_the_truth(
    sandbox: RunningSandbox, rule: dict[str, Any], outcome: Outcome, in_chart: int
) -> None:
    with at(sandbox) as ehr:
        operation = plan(ehr, command(WEIGHT))
        sandbox.faults({"id": "fault", "match": POST_FAULT, "times": 1, **rule})
        settled = ehr.send(operation, TRACE)
        assert settled.outcome is outcome
        assert sandbox.fired()["fault"] == 1
        assert len(marked(sandbox)) == in_chart
        found = ehr.probe(operation, TRACE)
        assert found.verdict is (ProbeVerdict.APPLIED if in_chart else ProbeVerdict.NOT_APPLIED)
        if in_chart:
            stored = exact_json.parse(found.body)
            assert found.reference == f"Observation/{stored['id']}"
            assert ehr.differences(operation, stored) == ()
    # The server itself logs a delivery that a proxy repeats.
    assert len(sandbox.requests(method="POST")) == (2 if rule["fault"] == "duplicate_delivery" else 1)


@pytest.mark.parametrize("fault", ["commit_then_drop", "drop_before_commit"])
def test_unanswered_update_is_found_by_its_mark(sandbox: RunningSandbox, fault: str) -> None:
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        sandbox.faults({"fault": fault, "match": PUT_FAULT, "times": 1})
        assert ehr.send(operation, TRACE).outcome is Outcome.UNKNOWN
        found = ehr.probe(operation, TRACE)
    if fault == "commit_then_drop":
        assert (found.verdict, found.reference, found.version) == (ProbeVerdict.APPLIED, reference, "2")
    else:
        assert found.verdict is ProbeVerdict.NOT_APPLIED


def test_throttling_carries_the_wish(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        operation = plan(ehr, command(WEIGHT))
        sandbox.faults({"fault": "throttle", "match": POST_FAULT, "parameters": {"retry_after": 7}})
        assert ehr.send(operation, TRACE).retry_after == timedelta(seconds=7)


def test_refused_content_names_the_element_and_not_the_value(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        action = {**WEIGHT, "performer": [{"reference": "Practitioner/n1"}]}
        operation = plan(ehr, command(action, encounter={"reference": "Encounter/none"}))
        settled = ehr.send(operation, TRACE)
    assert settled.outcome is Outcome.REJECTED_PAYLOAD
    assert settled.detail == "HTTP 422 at Observation.encounter"
    assert marked(sandbox) == []


def test_ehr_that_is_away_was_sent_nothing(sandbox: RunningSandbox) -> None:
    with RawServer(answering(b"")) as server:
        url = server.url
    with opened(url) as ehr:
        operation = plan(ehr, command(WEIGHT))
        settled = ehr.send(operation, TRACE)
        assert (settled.outcome, settled.status) == (Outcome.UNAVAILABLE, None)
        with pytest.raises(EhrUnavailableError, match="outage"):
            ehr.fetch("Patient/p1", TRACE)
        with pytest.raises(EhrUnavailableError, match="outage"):
            ehr.probe(operation, TRACE)


def test_hanging_ehr_is_given_up_within_the_requests_time() -> None:
    with RawServer(lambda connection: connection.recv(65_536) and server.done.wait(20)) as server:
        with opened(server.url, timings=Timings(request=timedelta(seconds=0.3))) as ehr:
            operation = plan(ehr, command(WEIGHT))
            begun = time.monotonic()
            assert ehr.send(operation, TRACE).outcome is Outcome.UNKNOWN
            assert time.monotonic() - begun < 5.0
        server.done.set()


def test_operation_is_sent_as_it_stands_on_every_attempt(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        operation: Operation = plan(ehr, command(WEIGHT))
        sandbox.faults({"fault": "drop_before_commit", "match": POST_FAULT, "times": 1})
        ehr.send(operation, TRACE)
        ehr.send(operation, TRACE)
    digests = {(entry["body_sha256"], entry["headers"]["if-none-exist"]) for entry in sandbox.requests(method="POST")}
    assert len(digests) == 1
    assert [status for _, status in writes(sandbox)] == ["dropped", 201]


def test_stale_answer_that_cannot_be_looked_into_is_unknown(sandbox: RunningSandbox) -> None:
    """Whether somebody edited the target or our request was delivered twice, only the chart can say."""
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        sandbox.faults(
            {"fault": "conflict", "match": PUT_FAULT},
            {"fault": "error_before_commit", "match": {"method": "GET"}, "parameters": {"status": 429}},
        )
        assert ehr.send(operation, TRACE).outcome is Outcome.UNKNOWN
        sandbox.faults({"fault": "conflict", "match": PUT_FAULT})
        assert ehr.send(operation, TRACE).outcome is Outcome.CONFLICT
        sandbox.faults()
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.NOT_APPLIED


@pytest.mark.parametrize("member", ["identifier", "meta", "category", "extension"])
def test_a_member_that_is_null_is_read_as_absent(member: str) -> None:
    body = exact_json.dumps({"resourceType": "Observation", "id": "o1", "status": "final", member: None}).encode()
    answer = http("201 Created", "Content-Type: application/fhir+json", body=body)
    with RawServer(answering(answer)) as server, opened(server.url) as ehr:
        settled = ehr.send(plan(ehr, command(WEIGHT)), TRACE)
    assert (settled.outcome, settled.reference) == (Outcome.APPLIED, "Observation/o1")


def test_an_answer_that_trips_our_own_reading_is_no_trustworthy_answer() -> None:
    odd = {"resourceType": "Observation", "id": "o1", "identifier": 5, "meta": "x", "code": [7]}
    body = exact_json.dumps(odd).encode()
    answer = http("201 Created", "Content-Type: application/fhir+json", body=body)
    with RawServer(answering(answer)) as server, opened(server.url, proof=Proof.ANSWER) as ehr:
        settled = ehr.send(plan(ehr, command(WEIGHT)), TRACE)
    assert (settled.outcome, settled.detail[:21]) == (Outcome.UNKNOWN, "answer not understood")
