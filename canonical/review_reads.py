"""The port between the desk and what it looks up beside cases: one command for people, hits of a search, figures. No SQL here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from canonical.acknowledging import Owed
from canonical.case_store import StoredCase
from canonical.command_views import CommandDetail
from canonical.lifecycle import State


@dataclass(frozen=True, kw_only=True)
class RelatedCommand:
    """Another command about the same entry: one that took it back (``takes_back``), or the one that this takes back.

    ``part`` is the place (from 1) of the operation that is meant, where it is one of several.
    """

    id: UUID
    operation: str
    state: State
    takes_back: bool
    part: int | None = None


@dataclass(frozen=True, kw_only=True)
class CommandRecord:
    """All that is known of one command. ``received`` and ``decided`` are its envelopes as JSON bytes (clinical content).

    ``decided`` is ``None`` where nobody decided otherwise; ``version`` what its own entry was in the EHR when it was written;
    ``owed`` is what its app is to confirm, or confirmed.
    """

    detail: CommandDetail
    received: bytes
    decided: bytes | None
    takes_back: bool
    version: str | None
    related: tuple[RelatedCommand, ...]
    owed: Owed | None = None


@dataclass(frozen=True, kw_only=True)
class SearchTerms:
    """What to find, all of it at once; what is ``None`` does not narrow.

    ``patients`` are (connection, 32-byte key) as of :func:`canonical.admission.patient_key`; ``identifier`` is (system or
    ``None``, value), as envelopes name patients.
    """

    command: UUID | None = None
    correlation_id: str | None = None
    patients: tuple[tuple[str, bytes], ...] | None = None
    identifier: tuple[str | None, str] | None = None
    states: frozenset[State] | None = None
    vendor_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class CaseTerms:
    """Which cases to find, all of it at once; what is ``None`` does not narrow. ``state``: ``open``, ``closed`` or ``any``.

    ``patients`` and ``identifier`` as in :class:`SearchTerms`; ``cursor`` as the page before gave it.
    """

    kind: str | None = None
    severity: int | None = None
    connection: str | None = None
    state: str = "open"
    older_than: timedelta | None = None
    correlation_id: str | None = None
    patients: tuple[tuple[str, bytes], ...] | None = None
    identifier: tuple[str | None, str] | None = None
    vendor_code: str | None = None
    cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class FoundCases:
    """Cases of one page, newest first, and where to go on; an empty page may have a ``cursor``, too."""

    cases: tuple[StoredCase, ...]
    cursor: str | None


class CaseFinder(Protocol):
    """Cases of every tenant, for the desk. Thread-safe; raises ``StoreUnavailableError``."""

    def find_cases(self, tenant: str, terms: CaseTerms, *, pools: Sequence[str], limit: int) -> FoundCases:
        """Return cases of the ``pools``, newest first; raises ``RefusedError`` for a cursor that is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class FoundCommand:
    """One hit; ``envelope`` is JSON bytes (clinical content), ``case_id`` its open case in one of the pools asked for."""

    id: UUID
    state: State
    received_at: datetime
    connection: str
    envelope: bytes
    case_id: int | None


class Glass(Protocol):
    """Before restricted content, of every tenant. Thread-safe; raises ``StoreUnavailableError``."""

    def is_broken(self, tenant: str, command: UUID, *, person: str, within: timedelta) -> bool:
        """Return whether ``person`` said within this time why they must look at the command."""
        ...

    def break_for(self, tenant: str, command: UUID, *, person: str, reason: str) -> bool:
        """Keep why ``person`` must look, as an event of the command; ``False``: there is no such command."""
        ...


class CommandRecords(Protocol):
    """Commands of every tenant, for the desk. Thread-safe; raises ``StoreUnavailableError``."""

    def record(self, tenant: str, command: UUID) -> CommandRecord | None:
        """Return one command with its envelopes and relations."""
        ...

    def find(self, tenant: str, terms: SearchTerms, *, pools: tuple[str, ...], limit: int) -> tuple[FoundCommand, ...]:
        """Return commands, newest first."""
        ...
