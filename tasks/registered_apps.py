"""The file of apps that may enqueue to Celery: TOML to registrations; an app signs, and its registration says for whom.

One ``[[app]]`` table each: ``name`` (the ``iss`` of its messages), ``tenant``, ``scopes`` (list), ``jwks`` (its public keys
as the text of a JWK set).
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from canonical.errors import ConfigurationError
from canonical.principal import Principal

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    name: _Name
    tenant: _Name
    scopes: list[str]
    jwks: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    app: list[_Entry]


@dataclass(frozen=True, kw_only=True)
class RegisteredApp:
    """An app whose signature is known: what it may do, and for which tenant."""

    principal: Principal
    keys: KeySet


def read_registered_apps(file: Path | None) -> Mapping[str, RegisteredApp]:
    """Return the registrations in ``file`` by app name; none without a file.

    Raises ``ConfigurationError`` naming what is wrong: correct the file and start again.
    """
    if file is None:
        return {}
    try:
        entries = _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).app
        apps = {entry.name: _registration(entry) for entry in entries}
    except ValidationError as error:
        where = "; ".join(".".join(map(str, item["loc"])) + ": " + item["msg"] for item in error.errors())
        raise ConfigurationError(f"{file} cannot be used: {where}.") from None
    except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
        raise ConfigurationError(f"{file} cannot be used ({type(error).__name__}): see its documentation.") from None
    if len(apps) != len(entries):
        raise ConfigurationError(f"{file} names an app twice.")
    return apps


def _registration(entry: _Entry) -> RegisteredApp:
    keys = KeySet.import_key_set(json.loads(entry.jwks))
    if any(key.key_type == "oct" for key in keys.keys):
        raise ConfigurationError(f"app {entry.name}: a shared secret is no public key.")
    principal = Principal(tenant=entry.tenant, app=entry.name, scopes=frozenset(entry.scopes))
    return RegisteredApp(principal=principal, keys=keys)


def read_message_key(file: Path | None) -> Key | None:
    """Return the private key (JWK) to which senders may encrypt; raises ``ConfigurationError``."""
    if file is None:
        return None
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        key = JWKRegistry.import_key(data)
    except (OSError, ValueError, TypeError, JoseError) as error:
        raise ConfigurationError(f"{file} is not a private JWK ({type(error).__name__}).") from None
    if not key.is_private:
        raise ConfigurationError(f"{file} holds a public key only: messages could not be read.")
    return key
