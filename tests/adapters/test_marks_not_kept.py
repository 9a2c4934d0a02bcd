"""An EHR that keeps no identifier of ours, over the wire: what it shows already, what is looked for, what it takes elsewhere."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.adapter import Adapter, Request
from adapters.ehr import RestEhr
from adapters.fhir_r4 import ADAPTER
from adapters.r4.adapter import R4Adapter
from adapters.r4.pages import MOST_PAGES
from adapters.site import Site
from adapters.tokens import NoTokens
from adapters.wire import Wire
from canonical import exact_json
from canonical.errors import ConfigurationError, EhrUnavailableError, NeedsPersonError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Proof
from tests.adapters.chart import PATIENT, TIMINGS, TRACE, plan
from tests.adapters.commands import WEIGHT, command
from tests.adapters.raw_server import RawServer, Script, answering, http, read_request
from tests.sandbox_fixture import RunningSandbox

assert isinstance(ADAPTER, R4Adapter)
CAPABILITIES = dataclasses.replace(ADAPTER.capabilities, finds_by_mark=False, conditional_create=False)
FORGETFUL = dataclasses.replace(ADAPTER, key="forgetful", capabilities=CAPABILITIES)


class Bearer(NoTokens):
    """Gives one token."""

    def bearer(self, seconds: float) -> str:
        return "secret-token"


@contextmanager
def ehr_at(url: str, adapter: Adapter = FORGETFUL, *, native: str | None = None) -> Iterator[RestEhr]:
    def now() -> datetime:
        return datetime.now(UTC)

    def wire(address: str) -> Wire:
        return Wire(address, max_connections=2)

    ehr = RestEhr(
        adapter=adapter,
        site=Site(base_url=url),
        wire=wire(url),
        native_wire=wire(native) if native else None,
        tokens=Bearer() if native else NoTokens(),
        timings=TIMINGS,
        proof=Proof.READ_BACK,
        clock=now,
    )
    try:
        yield ehr
    finally:
        ehr.close()


def page(*ids: str, following: str = "") -> bytes:
    entries = [{"resource": {"resourceType": "Condition", "id": name}} for name in ids]
    links = [{"relation": "next", "url": following}] if following else []
    body = {"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links}
    return http("200 OK", "Content-Type: application/fhir+json", body=exact_json.dumps(body).encode())


def keeping(requests: list[bytes], raw: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(raw)

    return script


def test_entry_that_says_the_same_is_seen_before_anything_is_sent(sandbox: RunningSandbox) -> None:
    sandbox.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    with ehr_at(sandbox.url) as ehr:
        operation = plan(ehr, command(WEIGHT))
        assert operation.if_none_exist is None
        assert b"identifier" not in operation.body
        assert ehr.twins(operation, TRACE) == ()
        written = ehr.send(operation, TRACE)
        assert written.outcome is Outcome.APPLIED
        assert ehr.twins(operation, TRACE) == (written.reference,)


def test_lost_create_is_found_by_what_it_says(sandbox: RunningSandbox) -> None:
    sandbox.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    with ehr_at(sandbox.url) as ehr:
        operation = plan(ehr, command(WEIGHT))
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.NOT_APPLIED
        written = ehr.send(operation, TRACE)
        found = ehr.probe(operation, TRACE)
        assert (found.verdict, found.reference) == (ProbeVerdict.APPLIED, written.reference)


def test_ehr_that_keeps_our_mark_is_not_asked_for_twins(sandbox: RunningSandbox) -> None:
    sandbox.seed([PATIENT, {"resourceType": "Practitioner", "id": "n1"}])
    with ehr_at(sandbox.url, ADAPTER) as ehr:
        assert ehr.twins(plan(ehr, command(WEIGHT)), TRACE) == ()
    assert [entry for entry in sandbox.requests(method="GET") if entry["interaction"] == "search"] == []


def test_ehr_that_is_away_says_nothing_about_twins() -> None:
    with (
        RawServer(answering(http("503 Down"))) as server,
        ehr_at(server.url) as ehr,
        pytest.raises(EhrUnavailableError),
    ):
        ehr.twins(plan(ehr, command(WEIGHT)), TRACE)


def test_entries_of_all_pages_are_read() -> None:
    requests: list[bytes] = []
    with RawServer() as server:
        server._scripts = [
            keeping(requests, page("c1", "c2", following=f"{server.url}/next/2")),
            keeping(requests, page("c3")),
        ]
        with ehr_at(server.url) as ehr:
            found = ehr.entries("Condition", "Patient/p1", TRACE)
    assert [item["id"] for item in found] == ["c1", "c2", "c3"]
    assert [request.split(b" ")[1] for request in requests] == [b"/fhir/Condition?patient=p1", b"/fhir/next/2"]


def test_list_without_an_end_is_for_a_person() -> None:
    with RawServer() as server:
        server._scripts = [keeping([], page("c1", following=f"{server.url}/again"))]
        with ehr_at(server.url) as ehr, pytest.raises(NeedsPersonError) as raised:
            ehr.entries("Condition", "Patient/p1", TRACE)
        assert raised.value.kind == "not_readable"
        assert server.connections == MOST_PAGES


def test_answer_that_is_no_list_is_not_taken_for_an_empty_one() -> None:
    with (
        RawServer(answering(http("200 OK", body=b"{}"))) as server,
        ehr_at(server.url) as ehr,
        pytest.raises(EhrUnavailableError),
    ):
        ehr.entries("Condition", "Patient/p1", TRACE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rpc(R4Adapter):
    """Writes at another address, the token in the body."""

    def request(self, operation: Any, site: Site) -> Request:
        body = b'{"Action":"SaveVital","Token":null}'
        return Request(method="POST", path="rpc", body=body, native=True, token_field="Token")


def rpc() -> Adapter:
    members = {item.name: getattr(FORGETFUL, item.name) for item in dataclasses.fields(R4Adapter)}
    return Rpc(**members)


def test_native_write_goes_to_its_own_address_with_the_token_in_the_body_alone() -> None:
    requests: list[bytes] = []
    created = http("201 Created", "Location: Observation/7")
    with RawServer(keeping(requests, created)) as server, ehr_at("http://127.0.0.1:1", rpc(), native=server.url) as ehr:
        ehr.send(plan(ehr, command(WEIGHT)), TRACE)
    (request,) = requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /fhir/rpc ")
    assert b"secret-token" not in head
    assert exact_json.parse(body) == {"Action": "SaveVital", "Token": "secret-token"}


def test_native_write_without_an_address_names_the_setting(sandbox: RunningSandbox) -> None:
    with ehr_at(sandbox.url, rpc()) as ehr, pytest.raises(ConfigurationError, match="native_url"):
        ehr.send(plan(ehr, command(WEIGHT)), TRACE)
