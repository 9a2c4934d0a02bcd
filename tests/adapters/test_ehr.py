"""The standard adapter over the wire, against a FHIR server that keeps what it is told."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from canonical import exact_json
from canonical.errors import EhrUnavailableError, NeedsPersonError, TargetMovedError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Fetched, Proof
from tests.adapters.chart import (
    MARK,
    PATIENT,
    PUT_FAULT,
    TRACE,
    at,
    entry_in_chart,
    hold,
    marked,
    opened,
    plan,
)
from tests.adapters.commands import KG, WEIGHT, command, medication, number
from tests.adapters.raw_server import RawServer, answering, http
from tests.sandbox_fixture import RunningSandbox


def test_create_is_in_the_chart_once_with_its_headers_and_bytes(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        operation = plan(ehr, command(WEIGHT))
        settled = ehr.send(operation, TRACE)
        assert settled.outcome is Outcome.APPLIED
        assert settled.version == "1"
        assert settled.differences is None
        (resource,) = marked(sandbox)
        assert settled.reference == f"Observation/{resource['id']}"
        assert ehr.differences(operation, exact_json.parse(settled.body)) == ()
    (entry,) = sandbox.requests(method="POST")
    assert entry["body_sha256"] == hashlib.sha256(operation.body).hexdigest()
    sent = entry["headers"]
    assert sent["x-correlation-id"] == TRACE.correlation_id
    assert sent["x-request-id"] == TRACE.request_id
    assert sent["traceparent"] == TRACE.traceparent
    assert sent["prefer"] == "return=representation"
    assert sent["if-none-exist"] == operation.if_none_exist


@pytest.mark.parametrize("text", ["72.50", "0.10", "1e-3", "70", "71.000"])
def test_decimal_is_at_the_server_as_it_was_written(sandbox: RunningSandbox, text: str) -> None:
    with at(sandbox) as ehr:
        action = {**WEIGHT, "valueQuantity": {"value": number(text), **KG}}
        settled = ehr.send(plan(ehr, command(action)), TRACE)
        assert f'"value":{text},'.encode() in settled.body.replace(b'"value": ', b'"value":')
        assert settled.reference is not None
        read_back = ehr.fetch(settled.reference, TRACE).resource
        assert read_back is not None
        assert f'"value":{text},' in exact_json.dumps(read_back)


def test_repeated_create_finds_the_earlier_one_and_writes_no_second(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        operation = plan(ehr, command(WEIGHT))
        first, second = ehr.send(operation, TRACE), ehr.send(operation, TRACE)
    assert second.outcome is Outcome.ALREADY_AT_TARGET
    assert second.reference == first.reference
    assert len(marked(sandbox)) == 1


def test_answer_is_proof_where_the_connection_says_so(sandbox: RunningSandbox) -> None:
    with at(sandbox, proof=Proof.ANSWER) as ehr:
        operation = plan(ehr, command(WEIGHT))
        assert ehr.send(operation, TRACE).differences == ()
        assert ehr.send(operation, TRACE).differences == ()


def test_answer_that_shows_another_content_is_no_proof(sandbox: RunningSandbox) -> None:
    changed = {**exact_json.parse(b'{"resourceType": "Observation", "id": "o1"}'), "identifier": [MARK]}
    raw = http("201 Created", body=exact_json.dumps(changed).encode())
    with RawServer(answering(raw)) as server, opened(server.url, proof=Proof.ANSWER) as ehr:
        settled = ehr.send(plan(ehr, command(WEIGHT)), TRACE)
    assert settled.outcome is Outcome.APPLIED
    assert settled.differences is not None
    assert {"valueQuantity", "subject", "status"} <= set(settled.differences)


def test_update_goes_out_under_the_authors_version_and_keeps_the_rest(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        settled = ehr.send(operation, TRACE)
        assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, reference, "2")
        stored = ehr.fetch(reference, TRACE)
        assert stored.resource is not None
        assert stored.version == "2"
        assert ehr.differences(operation, stored.resource) == ()
        assert stored.resource["status"] == "on-hold"
        assert MARK in stored.resource["identifier"]
    (entry,) = sandbox.requests(method="PUT")
    assert entry["headers"]["if-match"] == 'W/"1"'


def test_clinicians_edit_between_reading_and_writing_is_not_overwritten(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        (entry,) = sandbox.resources("MedicationStatement")
        edited = {**entry, "dosage": [{"text": "half a tablet, says Dr. Ames"}]}
        sandbox.edit(edited)
        settled = ehr.send(operation, TRACE)
        assert settled.outcome is Outcome.CONFLICT
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.CANNOT_TELL
        with pytest.raises(TargetMovedError):
            plan(ehr, command(medication("hold"), **hold(reference)))
    (entry,) = sandbox.resources("MedicationStatement")
    assert entry["status"] == "active"
    assert entry["dosage"] == edited["dosage"]


@pytest.mark.parametrize("status", [409, 412])
def test_stale_is_a_conflict_by_whichever_status(sandbox: RunningSandbox, status: int) -> None:
    with at(sandbox) as ehr:
        sandbox.settings(stale_status=status)
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        (entry,) = sandbox.resources("MedicationStatement")
        sandbox.edit({**entry, "note": [{"text": "seen by Dr. Ames"}]})
        assert ehr.send(operation, TRACE).outcome is Outcome.CONFLICT
        sandbox.settings(stale_status=412)


def test_update_delivered_twice_is_recognised_as_ours(sandbox: RunningSandbox) -> None:
    """A proxy that repeats a request hands on the second answer: "stale", because the first one went through."""
    with at(sandbox, proof=Proof.ANSWER) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        sandbox.faults({"id": "twice", "fault": "duplicate_delivery", "match": PUT_FAULT, "times": 1})
        settled = ehr.send(operation, TRACE)
        assert sandbox.fired()["twice"] == 1
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.ALREADY_AT_TARGET, reference, "2")
    assert settled.differences == ()
    assert len(sandbox.history(reference)) == 2


def test_deleted_target_is_gone(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        operation = plan(ehr, command(medication("hold"), **hold(reference)))
        sandbox.delete(reference)
        assert ehr.send(operation, TRACE).outcome is Outcome.GONE
        assert ehr.fetch(reference, TRACE) == Fetched(resource=None, gone=True)
        with pytest.raises(NeedsPersonError) as caught:
            plan(ehr, command(medication("hold"), **hold(reference)))
        assert caught.value.kind == "gone"


def test_fetch_tells_there_from_not_there(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        found = ehr.fetch("Patient/p1", TRACE)
        assert found.resource is not None
        assert found.resource["birthDate"] == PATIENT["birthDate"]
        assert found.version == "1"
        assert ehr.fetch("Patient/nobody", TRACE) == Fetched(resource=None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (http("503 Away", "Retry-After: 3"), "outage"),
        (http("500 Error"), "outage"),
        (http("302 Found", "Location: /login"), "outage"),
        (http("200 OK", "Content-Type: text/html", body=b"<html>"), "outage"),
        (http("429 Slow", "Retry-After: 3"), "throttled"),
        (http("401 No"), "auth"),
    ],
)
def test_unreadable_ehr_is_a_reason_to_wait(raw: bytes, reason: str) -> None:
    with RawServer(answering(raw)) as server, opened(server.url) as ehr, pytest.raises(EhrUnavailableError) as caught:
        ehr.fetch("Patient/p1", TRACE)
    assert caught.value.reason == reason
    assert (caught.value.retry_after == timedelta(seconds=3)) == (reason == "throttled")


@pytest.mark.parametrize("status", ["403 Forbidden", "400 Bad"])
def test_one_refused_resource_does_not_hold_up_the_connection(status: str) -> None:
    with (
        RawServer(answering(http(status))) as server,
        opened(server.url) as ehr,
        pytest.raises(NeedsPersonError) as caught,
    ):
        ehr.fetch("Patient/p1", TRACE)
    assert caught.value.kind == "not_readable"
    assert "p1" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "wait"),
    [(http("500 Error"), True), (http("200 OK", body=b"<html>"), True), (http("403 No"), False)],
)
def test_probe_waits_out_an_outage_and_otherwise_says_that_it_cannot_tell(raw: bytes, wait: bool) -> None:  # noqa: FBT001 - a table
    with RawServer(answering(raw)) as server, opened(server.url) as ehr:
        operation = plan(ehr, command(WEIGHT))
        if wait:
            with pytest.raises(EhrUnavailableError):
                ehr.probe(operation, TRACE)
        else:
            assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.CANNOT_TELL


def test_stale_search_shows_why_a_probe_must_wait(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        operation = plan(ehr, command(WEIGHT))
        ehr.send(operation, TRACE)
        sandbox.faults({"fault": "stale_search", "times": 1, "parameters": {"seconds": 60}})
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.NOT_APPLIED
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.APPLIED


def test_ehr_that_ignores_the_search_parameter_proves_nothing(sandbox: RunningSandbox) -> None:
    others = [{**WEIGHT_IN_CHART, "id": f"w{number}"} for number in range(3)]
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": item} for item in others]}
    raw = http("200 OK", body=json.dumps(page).encode())
    with RawServer(answering(raw)) as server, opened(server.url) as ehr:
        assert ehr.probe(plan(ehr, command(WEIGHT)), TRACE).verdict is ProbeVerdict.CANNOT_TELL


WEIGHT_IN_CHART = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}}


def test_one_ehr_serves_many_threads_at_once(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr, ThreadPoolExecutor(8) as threads:
        operations = [plan(ehr, command(WEIGHT).evolve(id=uuid4())) for _ in range(24)]
        settled = list(threads.map(lambda operation: ehr.send(operation, TRACE), operations))
    assert {item.outcome for item in settled} == {Outcome.APPLIED}
    in_chart = {item["identifier"][0]["value"]: item["id"] for item in sandbox.resources("Observation")}
    assert len(in_chart) == 24
    for operation, settlement in zip(operations, settled, strict=True):
        assert settlement.reference == f"Observation/{in_chart[operation.mark.rpartition('|')[2]]}"
