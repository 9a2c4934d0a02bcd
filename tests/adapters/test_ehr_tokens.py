"""Where a write gets its token whatever the kind of proof, and an EHR that says in a success that it takes none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters import adapters
from adapters.ehr import RestEhr
from adapters.site import Site
from adapters.tokens import open_tokens
from adapters.wire import Answer, NoAnswer, Wire
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Proof, Surrounding
from tests.adapters.access.endpoint import granted, now
from tests.adapters.chart import TIMINGS, TRACE
from tests.adapters.commands import WEIGHT, command
from tests.adapters.raw_server import RawServer, answering, http

CREATED = http("201 Created", "Location: Observation/o1")
REFUSED = http("200 OK", body=b'[{"Error":"token"}]')
BARE = "b7a1d2e4-9a37-4e3b-8e9c-1f2a3b4c5d6e"


class InBand:
    """An EHR whose answers are all 200: one that speaks of an error in it refuses the token."""

    def __init__(self) -> None:
        self._standard = adapters()["fhir_r4"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._standard, name)

    def classify(self, operation: Operation, answer: Answer | NoAnswer, at: datetime) -> Settlement:
        if isinstance(answer, Answer) and b"Error" in answer.body:
            return Settlement(outcome=Outcome.AUTH, status=answer.status)
        return self._standard.classify(operation, answer, at)


def rpc_auth(folder: Path, url: str) -> dict[str, str]:
    (folder / "password").write_text("hunter2")
    words = {"kind": "rpc_token", "token_url": url, "username": "svc", "app_name": "writeback", "idle": "600"}
    return {**words, "password_file": str(folder / "password")}


def secret_auth(folder: Path, url: str) -> dict[str, str]:
    (folder / "secret").write_text("hunter2")
    words = {"kind": "client_secret_basic", "token_url": url, "client_id": "x", "scope": "system/*.cruds"}
    return {**words, "client_secret_file": str(folder / "secret")}


@contextmanager
def ehr_with(auth: dict[str, str], server: RawServer) -> Iterator[RestEhr]:
    ehr = RestEhr(
        adapter=InBand(),
        site=Site(base_url=server.url),
        wire=Wire(server.url),
        tokens=open_tokens(auth, clock=now),
        timings=TIMINGS,
        proof=Proof.READ_BACK,
        clock=lambda: datetime.now(UTC),
    )
    yield ehr
    ehr.close()


def weight(ehr: RestEhr) -> Operation:
    (operation,) = ehr.plan(command(WEIGHT), Surrounding(current=None))
    return operation


def bare(number: int) -> bytes:
    return http("200 OK", body=f"{BARE}-{number}".encode())


def test_token_refused_in_a_success_is_renewed_once_and_the_write_sent_again(tmp_path: Path) -> None:
    with (
        RawServer(answering(bare(1)), answering(bare(2))) as tokens,
        RawServer(answering(REFUSED), answering(CREATED)) as server,
        ehr_with(rpc_auth(tmp_path, tokens.url), server) as ehr,
    ):
        assert ehr.send(weight(ehr), TRACE).outcome is Outcome.APPLIED
        assert (tokens.connections, server.connections) == (2, 2)


def test_token_refused_twice_waits_and_is_not_used_again(tmp_path: Path) -> None:
    with (
        RawServer(answering(bare(1)), answering(bare(2)), answering(bare(3))) as tokens,
        RawServer(answering(REFUSED), answering(REFUSED), answering(CREATED)) as server,
        ehr_with(rpc_auth(tmp_path, tokens.url), server) as ehr,
    ):
        operation = weight(ehr)
        assert ehr.send(operation, TRACE).outcome is Outcome.AUTH
        assert (tokens.connections, server.connections) == (2, 2)
        assert ehr.send(operation, TRACE).outcome is Outcome.APPLIED
        assert (tokens.connections, server.connections) == (3, 3)


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (http("400 No", body=b'{"error":"unauthorized_client"}'), Outcome.AUTH),
        (http("500 No", body=b'{"error":"access_denied"}'), Outcome.AUTH),
        (http("500 Error"), Outcome.UNAVAILABLE),
        (http("429 Slow"), Outcome.THROTTLED),
        (http("429 Slow", "Retry-After: 9"), Outcome.THROTTLED),
    ],
)
def test_whatever_a_token_endpoint_says_the_write_waits_and_is_not_refused(
    tmp_path: Path, raw: bytes, outcome: Outcome
) -> None:
    with (
        RawServer(answering(raw)) as tokens,
        RawServer(answering(CREATED)) as server,
        ehr_with(secret_auth(tmp_path, tokens.url), server) as ehr,
    ):
        settled = ehr.send(weight(ehr), TRACE)
        assert (settled.outcome, settled.reference) == (outcome, None)
        assert (settled.retry_after is not None) == (b"Retry-After" in raw)
        assert server.connections == 0


def test_secret_and_token_stay_out_of_what_is_settled(tmp_path: Path) -> None:
    with (
        RawServer(answering(granted("hunter2-token"))) as tokens,
        RawServer(answering(http("400 No", body=json.dumps({"resourceType": "OperationOutcome"}).encode()))) as server,
        ehr_with(secret_auth(tmp_path, tokens.url), server) as ehr,
    ):
        settled = ehr.send(weight(ehr), TRACE)
    assert "hunter2" not in repr(replace(settled))
