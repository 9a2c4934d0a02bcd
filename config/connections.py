"""The file of EHR connections: TOML to :class:`canonical.ports.ConnectionSettings`; it opens no connection.

One ``[[connection]]`` table each, with ``tenant``, ``name``, ``adapter``, ``base_url``, and, where the defaults do not
fit, ``max_in_flight``, ``proof``, ``[connection.auth]``, ``[connection.timings]`` (seconds), ``[connection.options]``.
"""

from __future__ import annotations

import ipaddress
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from canonical.errors import ConfigurationError
from canonical.ports import ConnectionSettings, Proof, Timings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Text = Annotated[str, Field(min_length=1)]
_Seconds = Annotated[float, Field(gt=0)]
_SecondsOrNone = Annotated[float, Field(ge=0)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _NoAuth(_Entry):
    kind: Literal["none"]


class _PrivateKeyJwt(_Entry):
    kind: Literal["private_key_jwt"]
    token_url: _Text
    client_id: _Text
    key_file: _Text
    alg: Literal["RS384", "ES384"] = "RS384"
    scope: _Text
    kid: _Text | None = None
    resource: _Text | None = None
    audience: _Text | None = None


class _Timings(_Entry):
    request: _Seconds | None = None
    slowest_commit: _SecondsOrNone | None = None
    search_lag: _SecondsOrNone | None = None
    margin: _Seconds | None = None
    send_within: _Seconds | None = None

    def timings(self) -> Timings:
        given = {name: timedelta(seconds=value) for name, value in self.model_dump(exclude_none=True).items()}
        return Timings(**given)


class _Connection(_Entry):
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    adapter: _Text
    base_url: _Text
    max_in_flight: Annotated[int, Field(ge=1, le=256)] = 8
    proof: Literal["answer", "read-back"] = "read-back"
    auth: Annotated[_NoAuth | _PrivateKeyJwt, Field(discriminator="kind")] = _NoAuth(kind="none")
    timings: _Timings = _Timings()
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _reachable_safely(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("must carry neither credentials nor a query")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("must be https:// unless the EHR is on this machine: it carries clinical content")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _authenticated(self) -> Self:
        if self.auth.kind == "none" and not _is_loopback(urlsplit(self.base_url).hostname or ""):
            raise ValueError("auth: an EHR that is not on this machine needs kind = 'private_key_jwt'")
        return self


class _File(_Entry):
    connection: Annotated[list[_Connection], Field(min_length=1)]


def read_connections(file: Path) -> tuple[ConnectionSettings, ...]:
    """Return the connections of ``file``; paths in it are relative to its folder.

    Raises :class:`ConfigurationError` naming the file and every field that is wrong, never a value.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        entries = _File.model_validate(content).connection
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"The file of EHR connections {file} cannot be read: {reason}. Name it in WRITEBACK_CONNECTIONS_FILE."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{_place(detail['loc'])}: {_plain(detail)}" for detail in error.errors())
        raise ConfigurationError(f"{file}: {wrong}") from None
    settings = tuple(_settings(entry, file.parent) for entry in entries)
    names = [(item.tenant, item.name) for item in settings]
    for tenant, name in names:
        if names.count((tenant, name)) > 1:
            raise ConfigurationError(f"{file}: tenant {tenant} has two connections named {name}. Rename one of them.")
    return settings


def _settings(entry: _Connection, folder: Path) -> ConnectionSettings:
    auth = {name: str(value) for name, value in entry.auth.model_dump(exclude_none=True).items()}
    if "key_file" in auth:
        auth["key_file"] = str((folder / auth["key_file"]).absolute())
    return ConnectionSettings(
        tenant=entry.tenant,
        name=entry.name,
        adapter=entry.adapter,
        base_url=entry.base_url,
        auth=auth,
        max_in_flight=entry.max_in_flight,
        timings=entry.timings.timings(),
        proof=Proof(entry.proof),
        options=entry.options,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _plain(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":
        # The library's own sentence quotes what it found.
        return f"kind must be one of {detail['ctx']['expected_tags']}"
    return detail["msg"].removeprefix("Value error, ")
