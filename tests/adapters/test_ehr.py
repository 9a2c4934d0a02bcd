"""The standard adapter over the wire, against a FHIR server that keeps what it is told and fails when it is told to."""

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk

from adapters.ehr import RestEhr
from canonical import exact_json
from canonical.errors import EhrUnavailableError, NeedsPersonError, TargetMovedError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Fetched, Operation, Proof, Timings
from tests.adapters.chart import PATIENT, TRACE, at, opened, plan, writes
from tests.adapters.commands import COMMAND_ID, KG, START, WEIGHT, command, medication, number
from tests.adapters.raw_server import RawServer, answering
from tests.sandbox_fixture import RunningSandbox

MARK = {"system": "urn:fhir-writeback:command", "value": str(COMMAND_ID)}
POST_FAULT = {"method": "POST"}
PUT_FAULT = {"method": "PUT"}


def marked(sandbox: RunningSandbox, type: str = "Observation") -> list[dict[str, Any]]:
    return [item for item in sandbox.resources(type) if MARK in item.get("identifier", [])]


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# Writing


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
    raw = answer("201 Created", body=exact_json.dumps(changed).encode())
    with RawServer(answering(raw)) as server, opened(server.url, proof=Proof.ANSWER) as ehr:
        settled = ehr.send(plan(ehr, command(WEIGHT)), TRACE)
    assert settled.outcome is Outcome.APPLIED
    assert settled.differences is not None
    assert {"valueQuantity", "subject", "status"} <= set(settled.differences)


def entry_in_chart(sandbox: RunningSandbox, ehr: RestEhr) -> str:
    settled = ehr.send(plan(ehr, command(START)), TRACE)
    assert settled.reference is not None
    return settled.reference


def hold(reference: str, version: str = "1", **over: Any) -> dict[str, Any]:
    return {"target": {"reference": reference, "versionId": version, "seen": {"status": "active"}, **over}}


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
        assert ehr.fetch(reference, TRACE) == Fetched(resource=None)
        with pytest.raises(NeedsPersonError) as caught:
            plan(ehr, command(medication("hold"), **hold(reference)))
        assert caught.value.kind == "gone"


# Faults: what is said of a write, and what the chart then holds


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
    with RawServer(lambda connection: connection.recv(65_536) and server.done.wait(5)) as server:
        with opened(server.url, timings=Timings(request=timedelta(seconds=0.3))) as ehr:
            operation = plan(ehr, command(WEIGHT))
            begun = time.monotonic()
            assert ehr.send(operation, TRACE).outcome is Outcome.UNKNOWN
            assert time.monotonic() - begun < 1.0
        server.done.set()


# Reading


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
        (answer("503 Away", "Retry-After: 3"), "outage"),
        (answer("500 Error"), "outage"),
        (answer("302 Found", "Location: /login"), "outage"),
        (answer("200 OK", "Content-Type: text/html", body=b"<html>"), "outage"),
        (answer("429 Slow", "Retry-After: 3"), "throttled"),
        (answer("401 No"), "auth"),
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
        RawServer(answering(answer(status))) as server,
        opened(server.url) as ehr,
        pytest.raises(NeedsPersonError) as caught,
    ):
        ehr.fetch("Patient/p1", TRACE)
    assert caught.value.kind == "not_readable"
    assert "p1" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "wait"),
    [(answer("500 Error"), True), (answer("200 OK", body=b"<html>"), True), (answer("403 No"), False)],
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
    raw = answer("200 OK", body=json.dumps(page).encode())
    with RawServer(answering(raw)) as server, opened(server.url) as ehr:
        assert ehr.probe(plan(ehr, command(WEIGHT)), TRACE).verdict is ProbeVerdict.CANNOT_TELL


WEIGHT_IN_CHART = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}}


# Authorisation


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningSandbox, dict[str, str]]]:
    """A sandbox that asks for tokens, and the settings of a client it knows."""
    folder = tmp_path_factory.mktemp("secured")
    running = RunningSandbox(folder, open=False).start()
    running.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    key = jwk.ECKey.generate_key("P-384")
    (folder / "key.pem").write_bytes(key.as_pem(private=True))
    scopes = ["system/Patient.rs", "system/Observation.cruds"]
    running.register(
        {
            "client_id": "writeback",
            "jwks": {"keys": [{**key.as_dict(private=False), "kid": key.thumbprint()}]},
            "scopes": scopes,
        }
    )
    auth = {
        "kind": "private_key_jwt",
        "token_url": f"{running.origin}/oauth/token",
        "client_id": "writeback",
        "key_file": str(folder / "key.pem"),
        "alg": "ES384",
        "scope": " ".join(scopes),
    }
    yield running, auth
    running.close()


def test_write_carries_a_token_that_was_asked_for_once(secured: tuple[RunningSandbox, dict[str, str]]) -> None:
    sandbox, auth = secured
    with opened(sandbox.url, auth=auth) as ehr:
        assert ehr.fetch("Patient/p1", TRACE).resource is not None
        assert ehr.send(plan(ehr, command(WEIGHT)), TRACE).outcome is Outcome.APPLIED
    tokens = [entry for entry in sandbox.requests() if entry["interaction"] == "token"]
    assert len(tokens) == 1


def test_scope_that_does_not_reach_is_no_reason_to_stop_the_connection(
    secured: tuple[RunningSandbox, dict[str, str]],
) -> None:
    sandbox, auth = secured
    with opened(sandbox.url, auth=auth) as ehr:
        settled = ehr.send(plan(ehr, command(START)), TRACE)
        assert (settled.outcome, settled.status) == (Outcome.NOT_SUPPORTED, 403)
        failed = {check.name for check in ehr.check() if not check.ok}
    assert failed == {"MedicationStatement scope"}


def refused_token_endpoint(folder: Path, server: RawServer) -> dict[str, str]:
    (folder / "key.pem").write_bytes(jwk.ECKey.generate_key("P-384").as_pem(private=True))
    return {
        "kind": "private_key_jwt",
        "token_url": server.url,
        "client_id": "x",
        "key_file": str(folder / "key.pem"),
        "alg": "ES384",
        "scope": "system/*.cruds",
    }


TOKEN = answer("200 OK", body=b'{"access_token": "t", "token_type": "bearer", "expires_in": 300}')


def test_refused_token_is_renewed_once_and_the_write_sent_again(tmp_path: Path) -> None:
    created = answer("201 Created", "Location: Observation/o1")
    with (
        RawServer(answering(TOKEN)) as tokens,
        RawServer(answering(answer("401 Expired")), answering(created)) as server,
        opened(server.url, auth=refused_token_endpoint(tmp_path, tokens)) as ehr,
    ):
        assert ehr.send(plan(ehr, command(WEIGHT)), TRACE).outcome is Outcome.APPLIED
        assert (tokens.connections, server.connections) == (2, 2)


def test_token_refused_twice_is_an_authorisation_fault(tmp_path: Path) -> None:
    with (
        RawServer(answering(TOKEN)) as tokens,
        RawServer(answering(answer("401 No"))) as server,
        opened(server.url, auth=refused_token_endpoint(tmp_path, tokens)) as ehr,
    ):
        assert ehr.send(plan(ehr, command(WEIGHT)), TRACE).outcome is Outcome.AUTH
        assert server.connections == 2
        with pytest.raises(EhrUnavailableError, match="auth"):
            ehr.fetch("Patient/p1", TRACE)


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (answer("401 No"), Outcome.AUTH),
        (answer("503 Away"), Outcome.UNAVAILABLE),
        (answer("429 Slow", "Retry-After: 9"), Outcome.THROTTLED),
    ],
)
def test_without_a_token_nothing_is_sent(tmp_path: Path, raw: bytes, outcome: Outcome) -> None:
    with (
        RawServer(answering(raw)) as tokens,
        RawServer(answering(answer("201 Created"))) as server,
        opened(server.url, auth=refused_token_endpoint(tmp_path, tokens)) as ehr,
    ):
        assert ehr.send(plan(ehr, command(WEIGHT)), TRACE).outcome is outcome
        assert server.connections == 0


def test_write_does_not_leave_after_a_token_that_came_too_late(tmp_path: Path) -> None:
    def slow(connection: Any) -> None:
        connection.recv(65_536)
        tokens.done.wait(0.4)
        connection.sendall(TOKEN)

    with (
        RawServer(slow) as tokens,
        RawServer(answering(answer("201 Created"))) as server,
        opened(
            server.url,
            auth=refused_token_endpoint(tmp_path, tokens),
            timings=Timings(request=timedelta(seconds=5), send_within=timedelta(seconds=0.2)),
        ) as ehr,
    ):
        settled = ehr.send(plan(ehr, command(WEIGHT)), TRACE)
        assert settled.outcome is Outcome.UNAVAILABLE
        assert server.connections == 0


# What the EHR says of itself


def test_doctor_finds_nothing_wrong_with_the_standard_ehr(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        checks = ehr.check()
    assert checks
    assert [check for check in checks if not check.ok] == []


def test_doctor_names_what_a_poorer_ehr_lacks() -> None:
    statement = {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "3.0.2",
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": "Observation",
                        "interaction": [{"code": "create"}, {"code": "read"}],
                        "versioning": "no-version",
                    }
                ],
            }
        ],
    }
    raw = answer("200 OK", body=json.dumps(statement).encode())
    with RawServer(answering(raw)) as server, opened(server.url) as ehr:
        failed = {check.name: check.detail for check in ehr.check() if not check.ok}
    assert "search-type" in failed["Observation interactions"]
    assert "update" in failed["Observation interactions"]
    assert {
        "fhir version",
        "Observation search by identifier",
        "Observation conditional create",
        "Observation versions",
        "MedicationStatement interactions",
    } <= failed.keys()
    assert all(failed.values())


def test_doctor_says_when_the_ehr_cannot_be_asked() -> None:
    with RawServer(answering(answer("500 Error"))) as server, opened(server.url) as ehr:
        (check,) = ehr.check()
    assert not check.ok
    assert "outage" in check.detail


def test_operation_is_sent_as_it_stands_on_every_attempt(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        operation: Operation = plan(ehr, command(WEIGHT))
        sandbox.faults({"fault": "drop_before_commit", "match": POST_FAULT, "times": 1})
        ehr.send(operation, TRACE)
        ehr.send(operation, TRACE)
    digests = {(entry["body_sha256"], entry["headers"]["if-none-exist"]) for entry in sandbox.requests(method="POST")}
    assert len(digests) == 1
    assert [status for _, status in writes(sandbox)] == ["dropped", 201]
