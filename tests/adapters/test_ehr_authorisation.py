"""Tokens on the way of a write: asked for, refused, renewed, too late."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk

from canonical.errors import EhrUnavailableError
from canonical.outcome import Outcome
from canonical.ports import Timings
from tests.adapters.chart import (
    PATIENT,
    TRACE,
    opened,
    plan,
)
from tests.adapters.commands import START, WEIGHT, command
from tests.adapters.raw_server import RawServer, answering, http
from tests.sandbox_fixture import RunningSandbox


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
    assert "MedicationStatement scope" in failed
    assert "Observation scope" not in failed


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


TOKEN = http("200 OK", body=b'{"access_token": "t", "token_type": "bearer", "expires_in": 300}')


def test_refused_token_is_renewed_once_and_the_write_sent_again(tmp_path: Path) -> None:
    created = http("201 Created", "Location: Observation/o1")
    with (
        RawServer(answering(TOKEN)) as tokens,
        RawServer(answering(http("401 Expired")), answering(created)) as server,
        opened(server.url, auth=refused_token_endpoint(tmp_path, tokens)) as ehr,
    ):
        assert ehr.send(plan(ehr, command(WEIGHT)), TRACE).outcome is Outcome.APPLIED
        assert (tokens.connections, server.connections) == (2, 2)


def test_token_refused_twice_is_an_authorisation_fault(tmp_path: Path) -> None:
    with (
        RawServer(answering(TOKEN)) as tokens,
        RawServer(answering(http("401 No"))) as server,
        opened(server.url, auth=refused_token_endpoint(tmp_path, tokens)) as ehr,
    ):
        assert ehr.send(plan(ehr, command(WEIGHT)), TRACE).outcome is Outcome.AUTH
        assert server.connections == 2
        with pytest.raises(EhrUnavailableError, match="auth"):
            ehr.fetch("Patient/p1", TRACE)


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (http("401 No"), Outcome.AUTH),
        (http("503 Away"), Outcome.UNAVAILABLE),
        (http("429 Slow", "Retry-After: 9"), Outcome.THROTTLED),
    ],
)
def test_without_a_token_nothing_is_sent(tmp_path: Path, raw: bytes, outcome: Outcome) -> None:
    with (
        RawServer(answering(raw)) as tokens,
        RawServer(answering(http("201 Created"))) as server,
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
        RawServer(answering(http("201 Created"))) as server,
        opened(
            server.url,
            auth=refused_token_endpoint(tmp_path, tokens),
            timings=Timings(request=timedelta(seconds=5), send_within=timedelta(seconds=0.2)),
        ) as ehr,
    ):
        settled = ehr.send(plan(ehr, command(WEIGHT)), TRACE)
        assert settled.outcome is Outcome.UNAVAILABLE
        assert server.connections == 0
