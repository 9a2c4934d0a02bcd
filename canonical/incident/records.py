"""The port behind the report after an incident: what is read of our own record, bounded by a window. No EHR is asked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from canonical.incident.report import CommandRecord, OwnWrite, RecordedCase, SwitchTurn
from canonical.ports import Operation


@dataclass(frozen=True, kw_only=True)
class KnownConnection:
    """One EHR connection as it is remembered."""

    id: int
    tenant: str
    name: str
    adapter: str


@dataclass(frozen=True, kw_only=True)
class StoredCommand:
    """A command's record, and what is needed to ask its EHR: its operations as they were journaled, bytes included."""

    record: CommandRecord
    lane: int
    correlation_id: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What was about besides: cases of whole connections by (tenant, name), switches that were turned, sweeps' last runs."""

    cases: Mapping[tuple[str, str], tuple[RecordedCase, ...]]
    switches: tuple[SwitchTurn, ...]
    sweeps: Mapping[str, datetime]


class IncidentRecords(Protocol):
    """The reads of one report. Thread-safe; each is one moment of the database and may raise ``StoreUnavailableError``."""

    def connections(self, tenant: str | None, name: str | None) -> tuple[KnownConnection, ...]:
        """Return the connections of that tenant and name; ``None``: of any."""
        ...

    def count(self, connections: Sequence[KnownConnection], since: datetime, until: datetime, *, most: int) -> int:
        """Return how many commands something happened to between ``since`` and ``until`` (UTC, excluded), at most ``most``."""
        ...

    def commands(
        self, connections: Sequence[KnownConnection], since: datetime, until: datetime, *, most: int
    ) -> tuple[StoredCommand, ...]:
        """Return those commands, the oldest first, and whatever was given in their place or they in place of."""
        ...

    def orphans(self, since: datetime, until: datetime, tenant: str | None, *, most: int) -> tuple[CommandRecord, ...]:
        """Return what is left of commands that have events in the window and no row."""
        ...

    def writes(self, lanes: Sequence[int], references: Sequence[str], marked: Sequence[UUID]) -> tuple[OwnWrite, ...]:
        """Return what operations of these lanes wrote at these entries (``Type/id``), and those whose entry is not known.

        And every operation of the commands ``marked``, whose marks were found in the chart.
        """
        ...

    def around(self, connections: Sequence[KnownConnection], since: datetime, until: datetime) -> Surroundings:
        """Return what was about in the window."""
        ...
