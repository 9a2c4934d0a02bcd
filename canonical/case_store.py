"""The port between the review desk and what remembers its cases: rows, views, resolutions. No SQL here and no chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Protocol
from uuid import UUID

from canonical.case_views import QueueQuery
from canonical.command import Command
from canonical.command_views import TimelineEvent
from canonical.events import Move
from canonical.lifecycle import State
from canonical.ports import Operation
from canonical.reviewer import Pool, Reviewer


@dataclass(frozen=True, kw_only=True)
class StoredCase:
    """One case as it stands, with what a row of the queue needs of its command.

    ``envelope`` is the command's JSON as bytes (clinical content); ``headline`` what the last look at the chart said of it
    (``None``: nobody looked yet); ``waiting`` counts the commands of the subject that wait behind it, ``together`` the open
    cases of its cause, itself included; ``cause`` is what they have in common (``None``: it stands for itself);
    ``approval_required`` that its command is sent only when a person approved it. ``rest_left``: why no machine sends what is
    missing of it (:class:`canonical.incomplete.Left`), ``rest_left_who`` a sentence on who changed what stands. Times are UTC.
    """

    id: int
    tenant: str
    command_id: UUID
    kind: str
    pool: Pool
    severity: int
    holds: bool
    opened_at: datetime
    due_at: datetime
    level: int
    rounds: int
    version: int
    claimed_by: str | None
    claimed_name: str | None
    claimed_until: datetime | None
    first_look_at: datetime | None
    asked_until: datetime | None
    closed_at: datetime | None
    closed_reason: str | None
    closed_by: str | None
    connection: str
    app: str
    action_type: str
    operation: str
    state: State
    state_reason: str
    author_assurance: str
    waiting: int
    envelope: bytes
    headline: str | None
    now: datetime
    together: int = 1
    cause: str | None = None
    approval_required: bool = False
    rest_left: str | None = None
    rest_left_who: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody."""
        return self.closed_at is None

    @property
    def is_overdue(self) -> bool:
        """Whether somebody should have decided it; not while its author has time to answer."""
        asked = self.asked_until is not None and self.asked_until > self.now
        return self.is_open and self.due_at < self.now and not asked

    def is_claimed_by_another(self, person: str) -> bool:
        """Whether a colleague has it at present."""
        held = self.claimed_until is not None and self.claimed_until > self.now
        return held and self.claimed_by != person


@dataclass(frozen=True, kw_only=True)
class StoredView:
    """What somebody was shown: ``content`` is JSON bytes (clinical), ``chart_digest`` what tells two charts apart."""

    id: UUID
    case_id: int
    shown_to: str
    at: datetime
    chart_digest: bytes
    base_version: str | None
    content: bytes


@dataclass(frozen=True, kw_only=True)
class StoredDecision:
    """One decision as it was recorded; ``content`` is JSON bytes of picks and free words, ``None`` where there were none."""

    id: int
    verb: str
    stage: str
    person: str
    person_name: str
    at: datetime
    reason: str
    content: bytes | None
    view_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class WaitingRow:
    """A command that waits behind a case; ``envelope`` as in :class:`StoredCase`."""

    id: UUID
    received_at: datetime
    envelope: bytes
    is_urgent: bool


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A decision ready to be carried out, in one commit.

    ``stage`` is ``final``, or ``first`` where another person must sign. ``move`` is what it does to the command, ``expected_seq``
    the command's last event that the decision rests on; ``envelope`` the bytes of what is to be sent instead;
    ``approves`` that it is an approval, of the bytes whose digest is ``payload_digest``, until ``valid_until`` (UTC).
    ``replans``: what leaves is made anew; else what was journaled before is sent again.
    ``knowing`` names what the reviewer was told of the chart and decided all the same, and ``rests_on`` is the digest (hex) of
    the entries that this was about, where the decision holds of nothing else. ``asked_until``: its author was asked;
    ``severity`` raises the case by a level; ``closes``: it ends without a move of the command. ``content`` is JSON of picks
    and free words; ``changed`` that the person changed what was proposed. ``accepted`` is the digest of what the chart says
    (``base_version``) where that was let stand in place of what was written.
    """

    case: StoredCase
    reviewer: Reviewer
    verb: str
    stage: str = "final"
    view_id: UUID | None
    reason: str = ""
    content: bytes | None = None
    envelope: bytes | None = None
    payload_digest: bytes | None = None
    base_version: str | None = None
    policy_version: str = ""
    valid_until: datetime | None = None
    approves: bool = False
    replans: bool = False
    changed: bool = False
    knowing: str = ""
    rests_on: str = ""
    move: Move | None = None
    expected_seq: int | None = None
    closes: bool = False
    asked_until: datetime | None = None
    severity: int | None = None
    accepted: bytes | None = None


class Resolved(Enum):
    """What came of storing a resolution."""

    #: It is stored, with all that follows from it.
    DONE = auto()
    #: The case was decided before, or this very view was used before; nothing was changed.
    DECIDED_BEFORE = auto()
    #: The command moved since; nothing was changed.
    MOVED = auto()
    #: A colleague has claimed the case; nothing was changed.
    CLAIMED = auto()


@dataclass(frozen=True, kw_only=True)
class StoredPage:
    """Rows of the queue in order, where to go on, and how many there are (counted up to a limit)."""

    cases: tuple[StoredCase, ...]
    cursor: str | None
    open: int
    overdue: int


class CaseStore(Protocol):
    """Cases of every tenant. Thread-safe; each method is one commit and raises ``StoreUnavailableError``."""

    def page(self, reviewer: Reviewer, query: QueueQuery) -> StoredPage:
        """Return the open cases of the reviewer's pools: most severe first, then by due time."""
        ...

    def find(self, tenant: str, case_id: int) -> StoredCase | None:
        """Return one case, open or closed."""
        ...

    def open_case_of(self, tenant: str, command: UUID) -> int | None:
        """Return the case that holds a command, or stands beside it, while it is open."""
        ...

    def command(self, command: UUID) -> Command:
        """Return the command as it stands."""
        ...

    def operations(self, command: UUID) -> tuple[Operation, ...]:
        """Return the operations of a command as journaled, bytes included; none before its first claim."""
        ...

    def timeline(self, command: UUID) -> tuple[TimelineEvent, ...]:
        """Return what happened to a command, oldest first."""
        ...

    def written_before(self, command: Command) -> Operation | None:
        """Return our own last proven write to the command's target, if there was one."""
        ...

    def waiting(self, case: StoredCase) -> tuple[WaitingRow, ...]:
        """Return what waits behind a case, oldest first, at most fifty."""
        ...

    def claim(self, case: StoredCase, reviewer: Reviewer, length: timedelta) -> bool:
        """Give the case to ``reviewer`` for ``length``; ``False``: a colleague has it, or it is over."""
        ...

    def release(self, case: StoredCase, reviewer: Reviewer) -> None:
        """Take the case from ``reviewer`` again."""
        ...

    def add_view(
        self,
        case: StoredCase,
        *,
        shown_to: str,
        chart_digest: bytes,
        base_version: str | None,
        content: Mapping[str, Any],
        is_round: bool = False,
    ) -> UUID:
        """Keep what somebody is shown; ``is_round``: the chart moved during review."""
        ...

    def view(self, tenant: str, view: UUID) -> StoredView | None:
        """Return what somebody was shown."""
        ...

    def last_view(self, case: StoredCase, shown_to: str | None = None) -> StoredView | None:
        """Return the last look at a case, of everybody or of one person."""
        ...

    def decisions(self, case: StoredCase) -> tuple[StoredDecision, ...]:
        """Return what was decided of a case so far, oldest first."""
        ...

    def resolve(self, resolution: Resolution) -> Resolved:
        """Store a decision with all that follows from it, in one commit."""
        ...


@dataclass(frozen=True, kw_only=True)
class CaseAlert:
    """A case that somebody must hear of: it is severe, or nobody decided it in time. One at the start, one at the end."""

    case_id: int
    tenant: str
    kind: str
    pool: Pool
    severity: int
    level: int
    connection: str
    is_over: bool
    detail: Mapping[str, str] = field(default_factory=dict)
