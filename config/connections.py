"""The file of EHR connections: TOML to :class:`canonical.ports.ConnectionSettings`; it opens no connection.

One ``[[connection]]`` table each, with ``tenant``, ``name``, ``adapter``, ``base_url``, and, where the defaults do not
fit, ``max_in_flight``, ``proof``, ``[connection.auth]``, ``[connection.timings]`` (seconds), ``[connection.options]``,
``[connection.notifications]``.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from canonical.acceptance import ASKED_AT_ONCE, MOST_ASKED, MOST_DAYS, TIME_BOX_DAYS
from canonical.acknowledging import FALLBACK_OPTION, Fallback
from canonical.drift_plan import LOOKS_PER_MINUTE
from canonical.errors import ConfigurationError
from canonical.ports import ConnectionSettings, Proof, Timings
from canonical.provenance import check_asked
from config.connection_auth import Auth, Entry, NoAuth, Text, is_loopback, safe_url
from config.notification_auth import NotificationAuth

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Seconds = Annotated[float, Field(gt=0)]
_SecondsOrNone = Annotated[float, Field(ge=0)]


class _Timings(Entry):
    request: _Seconds | None = None
    slowest_commit: _SecondsOrNone | None = None
    search_lag: _SecondsOrNone | None = None
    margin: _Seconds | None = None
    send_within: _Seconds | None = None

    def timings(self) -> Timings:
        given = {name: timedelta(seconds=value) for name, value in self.model_dump(exclude_none=True).items()}
        return Timings(**given)


class _Connection(Entry):
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    adapter: Text
    base_url: Text
    max_in_flight: Annotated[int, Field(ge=1, le=256)] = 8
    proof: Literal["answer", "read-back"] = "read-back"
    auth: Auth = NoAuth(kind="none")
    timings: _Timings = _Timings()
    options: dict[str, Any] = Field(default_factory=dict)
    notifications: NotificationAuth | None = None

    @field_validator("base_url")
    @classmethod
    def _reachable_safely(cls, value: str) -> str:
        return safe_url(value).rstrip("/")

    @model_validator(mode="after")
    def _authenticated(self) -> Self:
        if self.auth.kind == "none" and not is_loopback(urlsplit(self.base_url).hostname or ""):
            raise ValueError("auth: an EHR that is not on this machine needs kind = 'private_key_jwt', or another kind")
        return self

    @field_validator("options")
    @classmethod
    def _bearable(cls, value: dict[str, Any]) -> dict[str, Any]:
        looks = value.get(LOOKS_PER_MINUTE, 1)
        if not isinstance(looks, int) or isinstance(looks, bool) or looks < 0:
            raise ValueError(f"{LOOKS_PER_MINUTE}: a whole number, 0 for no looks at all")
        asked = value.get(ASKED_AT_ONCE, 1)
        if not isinstance(asked, int) or isinstance(asked, bool) or not 0 <= asked <= MOST_ASKED:
            raise ValueError(f"{ASKED_AT_ONCE}: a whole number up to {MOST_ASKED}, 0 for not asking at all")
        days = value.get(TIME_BOX_DAYS, 1)
        if not isinstance(days, int | float) or isinstance(days, bool) or not 0 < days <= MOST_DAYS:
            raise ValueError(f"{TIME_BOX_DAYS}: days, more than 0 and at most {MOST_DAYS}")
        if value.get(FALLBACK_OPTION, Fallback.CASE) not in tuple(Fallback):
            raise ValueError(f"{FALLBACK_OPTION}: {' or '.join(Fallback)}")
        check_asked(value)
        return value


class _File(Entry):
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
    return ConnectionSettings(
        tenant=entry.tenant,
        name=entry.name,
        adapter=entry.adapter,
        base_url=entry.base_url,
        auth=_named(entry.auth, folder),
        max_in_flight=entry.max_in_flight,
        timings=entry.timings.timings(),
        proof=Proof(entry.proof),
        options=entry.options,
        notifications=_named(entry.notifications, folder) if entry.notifications is not None else {},
    )


def _named(entry: Entry, folder: Path) -> dict[str, str]:
    """Return what a table says as text, its files as absolute paths."""
    said = {name: str(value) for name, value in entry.model_dump(exclude_none=True).items()}
    files = {name: str((folder / value).absolute()) for name, value in said.items() if name.endswith("_file")}
    return {**said, **files}


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _plain(detail: ErrorDetails) -> str:
    if detail["type"] == "union_tag_invalid":
        # The library's own sentence quotes what it found.
        return f"kind must be one of {detail['ctx']['expected_tags']}"
    return detail["msg"].removeprefix("Value error, ")
