"""What a report after an incident is made of: what our record and the chart say of a command, and what is judged of both. Data.

The judgement: ``judgement.py``; what should have told somebody: ``signals.py``. Entries of the chart are known
by their reference here, which leaves the report only as a label.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

#: How far the clocks of an EHR and of our database may be apart: nearer than this, no order is read from them.
CLOCK_TOLERANCE = timedelta(minutes=5)


class DivergenceKind(StrEnum):
    """How record and chart can come apart."""

    #: Our record contradicts itself, or the balance cannot account for the command.
    RECORD_DISAGREES = "record_disagrees"
    #: The chart has a version by us that no operation accounts for.
    WRITTEN_WITHOUT_RECORD = "written_without_record"
    #: One operation is in the chart more than once.
    WRITTEN_TWICE = "written_twice"
    #: Somebody changed the entry between our read and our write, and nobody saw it.
    OVERWRITTEN_UNSEEN = "overwritten_unseen"
    #: The record says that it was written, and the EHR shows nothing of it.
    RECORDED_BUT_ABSENT = "recorded_but_absent"
    #: It was proven, and the chart says something else since, on nobody's word.
    DRIFT_AFTER_PROOF = "drift_after_proof"


class ActKind(StrEnum):
    """What of ours may make a divergence worse."""

    RESEND = "resend"
    REPLAY = "replay"
    MERGE = "merge"


# -- what our record says; all times are the database's, UTC


@dataclass(frozen=True, kw_only=True)
class RecordedEvent:
    """One fact of the event log; ``id`` orders those of all commands, ``replay`` is the replay that it came from."""

    id: int
    seq: int
    at: datetime
    trigger: str
    source: str
    target: str
    reason: str
    actor: str
    attempt: int | None = None
    replay: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedAttempt:
    """One request as it was journaled (``kind`` ``send`` or ``probe``); ``digest`` are the first digits of its bytes' SHA-256."""

    n: int
    kind: str
    operation: int
    claimed_at: datetime
    settled_at: datetime | None = None
    outcome: str | None = None
    status: int | None = None
    vendor_code: str | None = None
    precondition: str | None = None
    mapping_version: str | None = None
    digest: str | None = None
    reference: str | None = None
    version: str | None = None
    late_outcome: str | None = None
    late_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedOperation:
    """One operation: what it was to do, under which mark and guard, and where the record says that it went."""

    seq: int
    interaction: str
    resource_type: str
    state: str
    mark: str
    if_match: str | None = None
    reference: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedCase:
    """One question to a person, with its alert."""

    id: int
    kind: str
    severity: int
    opened_at: datetime
    alerted_at: datetime | None = None
    alert_over_at: datetime | None = None
    closed_at: datetime | None = None
    closed_reason: str | None = None
    closed_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedDecision:
    """What a person decided."""

    at: datetime
    verb: str
    person: str
    reason: str
    base_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class CommandRecord:
    """All that our record says of one command.

    ``connection`` is empty where only events are left of it. ``seen_version`` is the version that its author saw, ``unfit`` why
    the balance cannot account for it.
    """

    id: UUID
    tenant: str
    connection: str
    state: str
    state_reason: str = ""
    action: str = ""
    operation: str = ""
    seen_version: str | None = None
    replay_of: UUID | None = None
    unfit: str | None = None
    events: tuple[RecordedEvent, ...] = ()
    attempts: tuple[RecordedAttempt, ...] = ()
    operations: tuple[RecordedOperation, ...] = ()
    cases: tuple[RecordedCase, ...] = ()
    decisions: tuple[RecordedDecision, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OwnWrite:
    """One operation of any command of ours at the patient: what the record says that it wrote where."""

    command: UUID
    mark: str
    reference: str | None
    version: str | None


# -- what the chart says; all times are the EHR's, UTC


@dataclass(frozen=True, kw_only=True)
class ChartVersion:
    """One version of an entry, without what it says.

    ``mark`` as in :class:`canonical.entry_history.EntryVersion`. ``changes``: it means something else than the version before it;
    ``reverts``: it has something again as it was before the version before it; ``differs``: it is not what our operation
    wrote there. ``None``: that cannot be told. ``by_content``: it was known by what it says, where an EHR keeps no mark.
    """

    reference: str
    version: str | None
    at: datetime | None = None
    is_removal: bool = False
    mark: str | None = None
    is_ours: bool = False
    author: str | None = None
    is_named: bool = False
    changes: bool | None = None
    reverts: bool = False
    differs: bool | None = None
    by_content: bool = False


@dataclass(frozen=True, kw_only=True)
class ChartEntry:
    """One entry, its versions in the EHR's order, the oldest first; not ``is_whole``: the current one alone, if it is there."""

    reference: str
    label: str
    is_whole: bool
    versions: tuple[ChartVersion, ...]


@dataclass(frozen=True, kw_only=True)
class ChartSide:
    """What an EHR showed of the entries of a connection; ``writes`` are ours at them, ``names_authors`` as declared.

    What could not be read is not among ``entries``.
    """

    entries: tuple[ChartEntry, ...] = ()
    writes: tuple[OwnWrite, ...] = ()
    names_authors: bool = False


# -- what is judged


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something of ours that was sent after a divergence; ``left`` are the versions that it led to in the chart.

    ``command`` is another one where a replay gave it anew.
    """

    kind: ActKind
    command: UUID
    event: RecordedEvent
    attempt: int | None
    outcome: str | None
    left: tuple[ChartVersion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fired:
    """What told somebody: a case of ``kind``, when it was opened, and when an alert went out for it, if one did."""

    case: int
    kind: str
    at: datetime
    alerted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """One place where record and chart come apart.

    It came about after the event ``anchor`` and, by the database's clock, not before ``earliest`` nor after ``latest``; the two
    are one where an event is that place. Not ``sure``: only clocks, or what an entry says, tell it. ``denied`` is the event by
    which the record says the contrary of what the chart shows. ``acts`` are what was sent afterwards, ``worse`` is the one of
    them that made it worse.
    """

    kind: DivergenceKind
    command: UUID
    anchor: RecordedEvent | None
    earliest: datetime
    latest: datetime
    sure: bool = True
    attempt: int | None = None
    version: ChartVersion | None = None
    why: str = ""
    denied: RecordedEvent | None = None
    acts: tuple[Act, ...] = ()
    worse: Act | None = None
    fired: Fired | None = None

    @property
    def is_exact(self) -> bool:
        """Whether an event of ours is the very place."""
        return self.earliest == self.latest


@dataclass(frozen=True, kw_only=True)
class Unread:
    """What could not be looked at, and why: a stable code. ``command`` where it is about one."""

    why: str
    command: UUID | None = None
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class SwitchTurn:
    """A kill switch as it was turned last."""

    tenant: str
    kind: str
    key: str
    is_on: bool
    by: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class IncidentLimits:
    """How much one report may cost: a longer window or more commands are refused, more reads or time are told."""

    #: An incident is hours; what is asked of a month is asked of the balance and the board.
    window: timedelta = timedelta(days=7)
    #: More than these nobody reads, and their entries would be asked of an EHR that has patients to serve.
    commands: int = 500
    reads: int = 2000
    time: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class JudgedCommand:
    """One command with the chart as far as it concerns it, and what was judged, the first divergence first."""

    record: CommandRecord
    chart: ChartSide
    divergences: tuple[Divergence, ...]
    adapter: str = ""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """The whole report. ``first`` is the first divergence of all; of ``contenders`` the clocks cannot say that they came later.

    ``connections`` are (tenant, name) → the cases of the connection as a whole; ``sweeps`` when each last finished.
    """

    since: datetime
    until: datetime
    made_at: datetime
    connections: dict[tuple[str, str], tuple[RecordedCase, ...]]
    commands: tuple[JudgedCommand, ...]
    first: Divergence | None
    contenders: tuple[Divergence, ...] = ()
    unread: tuple[Unread, ...] = ()
    without_history: tuple[tuple[str, str], ...] = ()
    switches: tuple[SwitchTurn, ...] = ()
    sweeps: dict[str, datetime] = field(default_factory=dict)
