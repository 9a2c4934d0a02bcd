import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jwt

from adapters.tokens import MARGIN, BackendServices, NoTokens, Tokens, open_tokens
from adapters.wire import Answer, Wire
from canonical.errors import ConfigurationError, EhrUnavailableError
from tests.adapters.raw_server import RawServer, answering
from tests.sandbox_fixture import RunningSandbox

SCOPE = "system/Patient.rs system/Observation.cruds"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def rsa_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def key_file(folder: Path, key: jwk.RSAKey | jwk.ECKey, *, private: bool = True, pem: bool = True) -> str:
    file = folder / "key"
    text = key.as_pem(private=private).decode() if pem else json.dumps(key.as_dict(private=private))
    file.write_text(text)
    return str(file)


def auth(token_url: str, file: str, **more: str) -> dict[str, str]:
    return {
        "kind": "private_key_jwt",
        "token_url": token_url,
        "client_id": "writeback",
        "key_file": file,
        "scope": SCOPE,
        **more,
    }


@pytest.fixture(scope="module")
def closed_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox that asks for tokens."""
    running = RunningSandbox(tmp_path_factory.mktemp("closed"), open=False).start()
    yield running
    running.close()


def register(sandbox: RunningSandbox, *keys: jwk.RSAKey | jwk.ECKey) -> None:
    jwks = {"keys": [{**key.as_dict(private=False), "kid": key.thumbprint()} for key in keys]}
    sandbox.register({"client_id": "writeback", "jwks": jwks, "scopes": SCOPE.split()})


def read(sandbox: RunningSandbox, token: str | None) -> Answer:
    wire = Wire(sandbox.url)
    answer = wire.read("Patient/none", headers={"Authorization": f"Bearer {token}"}, seconds=5)
    wire.close()
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
@pytest.mark.parametrize("pem", [True, False], ids=["PEM", "JWK"])
def test_real_server_grants_a_token_to_the_assertion(
    closed_sandbox: RunningSandbox,
    tmp_path: Path,
    rsa_key: jwk.RSAKey,
    alg: str,
    pem: bool,  # noqa: FBT001 - a table
) -> None:
    key = rsa_key if alg == "RS384" else jwk.ECKey.generate_key("P-384")
    register(closed_sandbox, key)
    token_url = f"{closed_sandbox.origin}/oauth/token"
    tokens = open_tokens(auth(token_url, key_file(tmp_path, key, pem=pem), alg=alg), clock=now)
    token = tokens.bearer(5)
    tokens.close()
    assert read(closed_sandbox, token).status == 404
    assert read(closed_sandbox, "made-up").status == 401
    assert set((tokens.granted or "").split()) == set(SCOPE.split())


def test_unregistered_key_is_an_authorisation_fault(
    closed_sandbox: RunningSandbox, tmp_path: Path, rsa_key: jwk.RSAKey
) -> None:
    register(closed_sandbox, jwk.RSAKey.generate_key(2048))
    tokens = open_tokens(auth(f"{closed_sandbox.origin}/oauth/token", key_file(tmp_path, rsa_key)), clock=now)
    with pytest.raises(EhrUnavailableError) as caught:
        tokens.bearer(5)
    tokens.close()
    assert caught.value.reason == "auth"


def token_answer(**body: Any) -> bytes:
    text = json.dumps({"access_token": "t", "token_type": "Bearer", **body}).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def opened(server: RawServer, folder: Path, key: jwk.RSAKey) -> Tokens:
    return open_tokens(auth(server.url, key_file(folder, key)), clock=now)


def test_token_is_kept_while_it_lives(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    with RawServer(answering(token_answer(expires_in=300))) as server:
        tokens = opened(server, tmp_path, rsa_key)
        assert [tokens.bearer(5) for _ in range(3)] == ["t"] * 3
        tokens.close()
        assert server.connections == 1


def test_token_is_not_used_in_its_last_seconds(
    tmp_path: Path, rsa_key: jwk.RSAKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("adapters.tokens.boot_seconds", lambda: clock[0])
    with RawServer(answering(token_answer(expires_in="300"))) as server:
        tokens = opened(server, tmp_path, rsa_key)
        tokens.bearer(5)
        clock[0] += 300 - MARGIN - 1
        tokens.bearer(5)
        assert server.connections == 1
        clock[0] += 2
        tokens.bearer(5)
        tokens.close()
        assert server.connections == 2


def test_very_short_lives_are_still_used(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    with RawServer(answering(token_answer(expires_in=20))) as server:
        tokens = opened(server, tmp_path, rsa_key)
        tokens.bearer(5)
        tokens.bearer(5)
        tokens.close()
        assert server.connections == 1


def test_refused_token_is_asked_for_anew_once_it_is_the_one_held(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    with RawServer(answering(token_answer(access_token="a")), answering(token_answer(access_token="b"))) as server:
        tokens = opened(server, tmp_path, rsa_key)
        assert tokens.bearer(5) == "a"
        tokens.refused("an older one")
        assert tokens.bearer(5) == "a"
        tokens.refused("a")
        assert tokens.bearer(5) == "b"
        tokens.close()


def test_many_threads_ask_once(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    with RawServer(answering(token_answer(expires_in=300))) as server:
        tokens = opened(server, tmp_path, rsa_key)
        together = threading.Barrier(8)

        def ask() -> None:
            together.wait()
            tokens.bearer(5)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tokens.close()
        assert server.connections == 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 27\r\n\r\n" + b'{"error": "invalid_client"}', "auth"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "auth"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "auth"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "auth"),
        (b"HTTP/1.1 429 Too Many\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n", "throttled"),
        (b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n", "outage"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "outage"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "outage"),
    ],
    ids=["invalid client", "401", "no token", "not JSON", "429", "503", "redirect", "cut off"],
)
def test_token_endpoint_faults_say_what_to_wait_for(
    tmp_path: Path, rsa_key: jwk.RSAKey, raw: bytes, reason: str
) -> None:
    with RawServer(answering(raw)) as server:
        tokens = opened(server, tmp_path, rsa_key)
        with pytest.raises(EhrUnavailableError) as caught:
            tokens.bearer(5)
        tokens.close()
    assert caught.value.reason == reason
    assert (caught.value.retry_after is not None) == (reason == "throttled")


def test_token_of_another_kind_is_not_sent_as_a_bearer_token(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    with RawServer(answering(token_answer(token_type="DPoP"))) as server:
        tokens = opened(server, tmp_path, rsa_key)
        with pytest.raises(EhrUnavailableError):
            tokens.bearer(5)
        tokens.close()


def test_those_who_waited_for_a_failed_request_share_its_failure(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    release = threading.Event()

    def slow(connection: Any) -> None:
        connection.recv(65_536)
        release.wait(5)
        connection.sendall(b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n")

    with RawServer(slow) as server:
        tokens = opened(server, tmp_path, rsa_key)
        assert isinstance(tokens, BackendServices)
        reasons: list[str] = []

        def ask() -> None:
            try:
                tokens.bearer(5)
            except EhrUnavailableError as error:
                reasons.append(error.reason)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        threads[0].join(0.3)
        release.set()
        for thread in threads:
            thread.join()
        tokens.close()
        assert reasons == ["outage"] * 4
        assert server.connections < 4


def test_waiting_for_somebody_elses_request_has_an_end(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    release = threading.Event()
    with RawServer(lambda _: release.wait(5)) as server:
        tokens = opened(server, tmp_path, rsa_key)

        def ask() -> None:
            with pytest.raises(EhrUnavailableError):
                tokens.bearer(3)

        first = threading.Thread(target=ask)
        first.start()
        while server.connections == 0:
            first.join(0.01)
        with pytest.raises(EhrUnavailableError):
            tokens.bearer(0.1)
        release.set()
        first.join()
        tokens.close()


def test_assertions_are_short_lived_and_never_the_same(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    tokens = open_tokens(auth("https://ehr.example/token", key_file(tmp_path, rsa_key), kid="k1"), clock=now)
    assert isinstance(tokens, BackendServices)
    decoded = [
        jwt.decode(tokens._client.assertion("https://ehr.example/token", now()), rsa_key, algorithms=["RS384"])
        for _ in range(2)
    ]
    tokens.close()
    first, second = (item.claims for item in decoded)
    assert first["iss"] == first["sub"] == "writeback"
    assert first["aud"] == "https://ehr.example/token"
    assert first["exp"] - first["iat"] <= 300
    assert first["jti"] != second["jti"]
    assert decoded[0].header["kid"] == "k1"


def test_no_authentication_needs_no_token() -> None:
    tokens = open_tokens({"kind": "none"}, clock=now)
    assert isinstance(tokens, NoTokens)
    tokens.refused("x")
    assert tokens.bearer(1) is None
    tokens.close()


def test_settings_that_cannot_work_are_named(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    good = auth("https://ehr.example/token", key_file(tmp_path, rsa_key))
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, "kind"),
        ({"kind": "basic"}, "kind"),
        ({**good, "client_id": ""}, "client_id"),
        ({**good, "alg": "HS256"}, "alg"),
        ({**good, "alg": "ES384"}, "key_file"),
        ({**good, "key_file": "/nowhere"}, "key_file"),
    ]
    for settings, named in wrong:
        with pytest.raises(ConfigurationError, match=named):
            open_tokens(settings, clock=now)
    public = auth("https://ehr.example/token", key_file(tmp_path, rsa_key, private=False))
    with pytest.raises(ConfigurationError, match="public"):
        open_tokens(public, clock=now)


def test_dead_token_endpoint_is_an_outage(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    with RawServer(answering(b"")) as server:
        url = server.url
    tokens = open_tokens(auth(url, key_file(tmp_path, rsa_key)), clock=now)
    with pytest.raises(EhrUnavailableError, match="outage"):
        tokens.bearer(2)
    tokens.close()
