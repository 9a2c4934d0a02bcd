import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import ValidationError

from sandbox.clients import Client, clients_of_file

KEY = ECKey.generate_key("P-384", {"kid": "one"})
PUBLIC = {"keys": [KEY.as_dict(private=False)]}


def test_scopes_are_given_as_a_list_or_as_words() -> None:
    words = Client.model_validate({"client_id": "a", "jwks": PUBLIC, "scopes": "system/*.r system/Patient.s"})
    listed = Client.model_validate({"client_id": "a", "jwks": PUBLIC, "scopes": ["system/*.r", "system/Patient.s"]})
    assert words == listed


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": []},
        {"keys": [{"kty": "RSA"}]},
        {"keys": [KEY.as_dict(private=True)]},
        {"keys": [RSAKey.generate_key(2048).as_dict(private=True)]},
        {"keys": [OctKey.generate_key(256).as_dict(private=True)]},
    ],
    ids=["none", "empty", "broken", "private EC", "private RSA", "symmetric"],
)
def test_only_public_keys_are_registered(jwks: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Client.model_validate({"client_id": "a", "jwks": jwks})


def test_a_scope_this_server_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="category"):
        Client.model_validate({"client_id": "a", "jwks": PUBLIC, "scopes": "system/Observation.c?category=x"})


def test_clients_can_be_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    file.write_text(json.dumps([{"client_id": "a", "jwks": PUBLIC}]))
    assert [client.client_id for client in clients_of_file(file)] == ["a"]
    file.write_text("{}")
    with pytest.raises(ValidationError):
        clients_of_file(file)
