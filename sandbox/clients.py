"""Registered OAuth clients: who may get tokens, for which server, saying what; not the tokens."""

import json
import sqlite3
from pathlib import Path
from typing import Annotated, Any, Self

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from sandbox.scopes import EVERY, parse_scope


def _split(scopes: object) -> object:
    return scopes.split() if isinstance(scopes, str) else scopes


Scopes = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Audience(BaseModel):
    """Another resource server a client may get tokens for, with the scopes and claims they carry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scopes: Scopes = ()
    claims: dict[str, Any] = Field(default_factory=dict)


class Client(BaseModel):
    """One registration.

    Args:
        client_id: issuer and subject of the client's assertions.
        jwks: the client's public keys (RSA or EC), with `kid`; none where it has a secret.
        client_secret: what it proves itself with where the EHR takes secrets.
        mapped: whether a user of the EHR stands behind it.
        registered_at: seconds since 1970.
        scopes: SMART system scopes for the FHIR server.
        claims: extra claims of every token of this client, e.g. `tenant` or `fhirUser`.
        audiences: other resource servers, by the value of `aud`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: Annotated[str, Field(min_length=1)]
    jwks: dict[str, Any] | None = None
    client_secret: str | None = None
    mapped: bool = True
    registered_at: float = 0.0
    scopes: Scopes = ()
    claims: dict[str, Any] = Field(default_factory=dict)
    audiences: dict[str, Audience] = Field(default_factory=dict)

    @field_validator("jwks")
    @classmethod
    def _holds_public_keys(cls, jwks: dict[str, Any] | None) -> dict[str, Any] | None:
        if jwks is None:
            return None
        try:
            keys = list(_key_set(jwks))
        except (JoseError, KeyError, TypeError, ValueError):
            raise ValueError("no JWK set with RSA or EC keys") from None
        if any(not isinstance(key, RSAKey | ECKey) or key.is_private for key in keys):
            raise ValueError("register public RSA or EC keys only")
        return jwks

    @model_validator(mode="after")
    def _asks_what_is_known(self) -> Self:
        if self.jwks is None and not self.client_secret:
            raise ValueError("a client has keys or a secret")
        of_types = [scope for scope in self.scopes if scope.startswith(("system/", "user/"))]
        unknown = [scope for scope in of_types if parse_scope(scope, EVERY) is None]
        if unknown:
            raise ValueError(f"scopes this server does not know: {' '.join(unknown)}")
        return self

    def key_set(self) -> KeySet:
        return _key_set(self.jwks or {"keys": []})


def _key_set(jwks: dict[str, Any]) -> KeySet:
    return KeySet.import_key_set({"keys": jwks["keys"]})


def clients_of_file(path: Path) -> list[Client]:
    """The registrations of a JSON file.

    Raises:
        ValidationError: the file is no list of registrations; mend it before starting.
    """
    return TypeAdapter(list[Client]).validate_json(path.read_bytes())


def register(client: Client, connection: sqlite3.Connection) -> None:
    """Add a client, or replace its registration."""
    connection.execute(
        "REPLACE INTO clients (client_id, registration) VALUES (?, ?)",
        (client.client_id, client.model_dump_json()),
    )


def find(connection: sqlite3.Connection, client_id: str) -> Client | None:
    row = connection.execute("SELECT registration FROM clients WHERE client_id = ?", (client_id,)).fetchone()
    return Client.model_validate(json.loads(row["registration"])) if row else None
