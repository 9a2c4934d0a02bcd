"""How a server differs from the standard EHR, read from data; whoever opens a connection says which one it is.

The table is ``adapters/data/dialects.toml``, each dialect with its source.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from adapters.r4.answers import ErrorTable
from canonical.capabilities import Capabilities, Interaction, Limit
from canonical.errors import ConfigurationError
from canonical.outcome import Outcome

#: Option of a connection that names its dialect; the standard one without it.
OPTION = "dialect"
STANDARD = "standard"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What differs: ``errors`` are the rows that are answered otherwise, ``answer`` what a create is answered, in words."""

    stale: str
    search_lag: timedelta
    versions: str
    answer: str
    source: str
    errors: ErrorTable = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()

    def spoken_by(self, standard: Capabilities) -> Capabilities:
        """Return what the EHR of ``standard`` declares when it speaks this dialect."""
        writes = {
            key: replace(write, answer=self.answer, source=self.source) if key[1] is Interaction.CREATE else write
            for key, write in standard.writes.items()
        }
        return replace(
            standard,
            writes=writes,
            stale=self.stale,
            search_lag=self.search_lag,
            versions=self.versions,
            limits=self.limits,
        )


def _dialect(row: Mapping[str, Any]) -> Dialect:
    return Dialect(
        stale=row["stale"],
        search_lag=timedelta(seconds=row["search_lag_seconds"]),
        versions=row["versions"],
        answer=row["answer"],
        source=row["source"],
        errors={
            (Interaction(item["interaction"]), item["status"], None): Outcome(item["outcome"])
            for item in row.get("errors", ())
        },
        limits=tuple(Limit(**item, source=row["source"]) for item in row.get("limits", ())),
    )


@cache
def dialects() -> Mapping[str, Dialect]:
    """Return every dialect by its name."""
    data = tomllib.loads(files("adapters").joinpath("data/dialects.toml").read_text("utf-8"))
    return {name: _dialect(row) for name, row in data.items()}


def dialect_of(options: Mapping[str, Any]) -> Dialect | None:
    """Return the dialect that a connection's ``options`` name, ``None`` for the standard.

    Raises :class:`ConfigurationError` naming those there are.
    """
    name = options.get(OPTION, STANDARD)
    if name == STANDARD:
        return None
    found = dialects().get(name) if isinstance(name, str) else None
    if found is None:
        known = ", ".join((STANDARD, *dialects()))
        raise ConfigurationError(f"connection.options.{OPTION}: there is no '{name}'; there are: {known}")
    return found
