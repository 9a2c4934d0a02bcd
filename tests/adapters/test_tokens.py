"""The kinds of proof there are, against a real EHR where there is one that takes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jwk

from adapters.access.kept_tokens import KeptTokens
from adapters.tokens import PROVERS, RPC_TOKEN, NoTokens, open_tokens
from adapters.wire import Answer, Wire
from canonical.errors import ConfigurationError, EhrUnavailableError
from tests.adapters.access.endpoint import form_of, granted, header_of, keeping, now
from tests.adapters.raw_server import RawServer, answering, http
from tests.sandbox_fixture import RunningSandbox

SCOPE = "system/Patient.rs system/Observation.cruds"


@pytest.fixture(scope="session")
def rsa_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def key_file(folder: Path, key: jwk.RSAKey | jwk.ECKey, *, pem: bool = True) -> str:
    file = folder / "key"
    file.write_text(key.as_pem(private=True).decode() if pem else json.dumps(key.as_dict(private=True)))
    return str(file)


def auth(token_url: str, file: str, **more: str) -> dict[str, str]:
    words = {"kind": "private_key_jwt", "token_url": token_url, "client_id": "writeback", "key_file": file}
    return {**words, "scope": SCOPE, **more}


def secret_auth(kind: str, token_url: str, folder: Path) -> dict[str, str]:
    (folder / "secret").write_text("hunter2")
    words = {"kind": kind, "token_url": token_url, "client_id": "writeback", "scope": SCOPE}
    return {**words, "client_secret_file": str(folder / "secret")}


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


@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post"])
def test_secret_is_sent_in_one_place_only(tmp_path: Path, kind: str) -> None:
    requests: list[bytes] = []
    with RawServer(keeping(requests, granted())) as server:
        tokens = open_tokens(secret_auth(kind, server.url, tmp_path), clock=now)
        assert tokens.bearer(5) == "t"
        tokens.close()
    in_header = header_of(requests[0], "Authorization") is not None
    assert in_header == (kind == "client_secret_basic")
    assert ("client_secret" in form_of(requests[0])) == (kind == "client_secret_post")


def test_token_of_an_rpc_endpoint_has_no_scope(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    with RawServer(answering(http("200 OK", body=b"b7a1d2e4-9a37-4e3b-8e9c-1f2a3b4c5d6e"))) as server:
        words = {"kind": RPC_TOKEN, "token_url": server.url, "username": "svc", "app_name": "writeback"}
        tokens = open_tokens({**words, "idle": "600", "password_file": str(tmp_path / "password")}, clock=now)
        assert tokens.bearer(5) == "b7a1d2e4-9a37-4e3b-8e9c-1f2a3b4c5d6e"
        assert tokens.granted is None
        tokens.close()


def test_no_authentication_needs_no_token() -> None:
    tokens = open_tokens({"kind": "none"}, clock=now)
    assert isinstance(tokens, NoTokens)
    tokens.refused("x")
    assert tokens.bearer(1) is None
    tokens.close()


@pytest.mark.parametrize("settings", [{}, {"kind": "basic"}])
def test_kind_that_does_not_exist_is_answered_with_those_that_do(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="kind") as refused:
        open_tokens(settings, clock=now)
    assert all(kind in str(refused.value) for kind in [*PROVERS, RPC_TOKEN, "none"])


def name_of(settings: dict[str, str], owner: str = "north/r4") -> str:
    tokens = open_tokens(settings, clock=now, owner=owner)
    assert isinstance(tokens, KeptTokens)
    tokens.close()
    return tokens._name


def test_token_is_shared_by_who_asks_for_the_same_connection_in_the_same_words(tmp_path: Path) -> None:
    settings = secret_auth("client_secret_post", "https://ehr.example/token", tmp_path)
    elsewhere = {**settings, "client_secret_file": str(tmp_path / "other")}
    (tmp_path / "other").write_text("hunter2")
    assert name_of(settings) == name_of(elsewhere)
    others = [
        name_of(settings, "south/r4"),
        name_of({**settings, "scope": "system/*.rs"}),
        name_of({**settings, "client_id": "other"}),
        name_of({**settings, "token_url": "https://other.example/token"}),
    ]
    assert len({name_of(settings), *others}) == 5
    assert "writeback" not in name_of(settings)


def test_dead_token_endpoint_is_an_outage(tmp_path: Path) -> None:
    with RawServer(answering(b"")) as server:
        url = server.url
    tokens = open_tokens(secret_auth("client_secret_basic", url, tmp_path), clock=now)
    with pytest.raises(EhrUnavailableError, match="outage"):
        tokens.bearer(2)
    tokens.close()
