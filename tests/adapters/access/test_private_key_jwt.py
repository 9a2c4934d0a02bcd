import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from joserfc import jwk, jwt

from adapters.access.private_key_jwt import PrivateKeyJwt, private_key_jwt
from canonical.errors import ConfigurationError
from tests.adapters.access.endpoint import now

TOKEN_URL = "https://ehr.example/token"


@pytest.fixture(scope="module")
def rsa_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def settings(folder: Path, key: jwk.RSAKey | jwk.ECKey, *, private: bool = True, **more: str) -> Mapping[str, str]:
    file = folder / "key.json"
    file.write_text(json.dumps(key.as_dict(private=private)))
    return {"token_url": TOKEN_URL, "client_id": "writeback", "key_file": str(file), **more}


def claims(client: PrivateKeyJwt, key: jwk.RSAKey) -> dict[str, object]:
    return dict(jwt.decode(client.credentials(now()).form["client_assertion"], key, algorithms=["RS384"]).claims)


def test_assertion_is_short_lived_and_never_the_same(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    client = private_key_jwt(settings(tmp_path, rsa_key))
    first, second = claims(client, rsa_key), claims(client, rsa_key)
    assert first["iss"] == first["sub"] == "writeback"
    assert first["aud"] == TOKEN_URL
    assert isinstance(first["exp"], int)
    assert isinstance(first["iat"], int)
    assert 0 < first["exp"] - first["iat"] <= 300
    assert first["jti"] != second["jti"]
    assert len(str(first["jti"])) <= 151


def test_assertion_is_meant_for_what_the_server_calls_itself(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    client = private_key_jwt(settings(tmp_path, rsa_key, assertion_audience="https://inside.example/token"))
    assert claims(client, rsa_key)["aud"] == "https://inside.example/token"


def test_key_is_named_as_registered(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    assert private_key_jwt(settings(tmp_path, rsa_key, kid="k1")).kid == "k1"
    assert private_key_jwt(settings(tmp_path, rsa_key)).kid == rsa_key.thumbprint()


def test_proof_is_not_shown(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    credentials = private_key_jwt(settings(tmp_path, rsa_key)).credentials(now())
    assert credentials.form["client_assertion"] not in repr(credentials)


def test_settings_that_cannot_work_are_named(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    good = settings(tmp_path, rsa_key)
    wrong: list[tuple[dict[str, str], str]] = [
        ({**good, "client_id": ""}, "client_id"),
        ({**good, "alg": "HS256"}, "alg"),
        ({**good, "alg": "ES384"}, "key_file"),
        ({**good, "key_file": "/nowhere"}, "key_file"),
    ]
    for auth, named in wrong:
        with pytest.raises(ConfigurationError, match=named):
            private_key_jwt(auth)
    with pytest.raises(ConfigurationError, match="public"):
        private_key_jwt(settings(tmp_path, rsa_key, private=False))


def test_a_key_that_cannot_be_used_is_not_shown(tmp_path: Path, rsa_key: jwk.RSAKey) -> None:
    auth = settings(tmp_path, rsa_key)
    Path(auth["key_file"]).write_text("-----BEGIN hunter2-----")
    with pytest.raises(ConfigurationError) as refused:
        private_key_jwt(auth)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
