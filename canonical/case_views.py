"""What a reviewer is shown of cases: rows, one case in reading order, the board. Values are words; no SQL, no HTML.

Whatever holds clinical content is ``None`` for a reviewer without the right to see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from canonical.command_views import TimelineEvent
from canonical.part_views import PartRow
from canonical.reviewer import Pool
from canonical.three_way import FieldState

#: Said in place of what the EHR did not show: never an empty line.
UNREAD = "could not be read"


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One line of the queue. ``severity`` is 1 (now) to 4; times are UTC; ``level`` counts escalations.

    ``headline`` says what collides ("metoprolol: 25 mg, proposed 50 mg, the chart moved to 12.5 mg"); ``waiting`` is how many
    commands wait behind it; ``claimed_by`` the colleague who has it; ``asked`` that its author was asked and has not answered.
    ``together`` counts the open cases that this line stands for (up to 1000): of one kind, connection and cause, which ``cause``
    says in words (empty: there is none to say).
    ``not_in_bulk`` says why it is decided by itself, and only where that is empty may it be acted on with others of its ``kind``.
    """

    id: int
    kind: str
    kind_words: str
    severity: int
    pool: Pool
    opened_at: datetime
    due_at: datetime
    is_overdue: bool
    patient: str | None
    headline: str | None
    action: str
    sender: str
    connection: str
    ehr: str
    waiting: int
    level: int = 0
    claimed_by: str | None = None
    asked: bool = False
    not_in_bulk: str = "decided one by one"
    together: int = 1
    cause: str = ""


@dataclass(frozen=True, kw_only=True)
class QueueQuery:
    """What of the open cases to show; what is left out does not narrow.

    ``together``: those that are gathered with that case; ``cursor`` as given by the page before.
    """

    pool: Pool | None = None
    kind: str | None = None
    connection: str | None = None
    action_type: str | None = None
    severity: int | None = None
    mine: bool = False
    together: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class QueuePage:
    """Severity first, then due time, never newest first; ``open`` counts all that the query finds, up to ``counted_to``.

    ``kinds`` (kind → words), ``connections`` and ``action_types`` are what may be filtered by; ``bulk_reasons`` (code → words)
    are those of acts on many cases.
    """

    rows: tuple[CaseRow, ...]
    cursor: str | None = None
    open: int = 0
    counted_to: int = 1000
    overdue: int = 0
    kinds: tuple[tuple[str, str], ...] = ()
    connections: tuple[str, ...] = ()
    action_types: tuple[str, ...] = ()
    bulk_reasons: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaseQuery:
    """Which cases to find, open or closed; what is left out does not narrow.

    ``state`` is ``open``, ``closed`` or ``any``; ``older_than`` how long ago they were opened at least; ``patient``
    ``Patient/id`` or an identifier as ``system|value``.
    """

    kind: str | None = None
    severity: int | None = None
    pool: Pool | None = None
    connection: str | None = None
    state: str = "open"
    older_than: timedelta | None = None
    correlation_id: str | None = None
    patient: str | None = None
    vendor_code: str | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class CasesFound:
    """One page of a search, newest first; there is more while there is a ``cursor``, whatever this page holds."""

    rows: tuple[CaseRow, ...]
    cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Banner:
    """Whom it is about, as the chart says now. Each member is words, or :data:`UNREAD`."""

    name: str
    birth: str
    sex: str
    record_number: str
    place: str
    allergies: str
    identity_in_question: bool = False


class EditKind(StrEnum):
    """How another value is typed on a page."""

    #: ``Quantity``: a number; the unit stays.
    QUANTITY = "quantity"
    #: Free text.
    TEXT = "text"
    #: FHIR date or dateTime, as written.
    DATE = "date"
    #: One of ``options``.
    CHOICE = "choice"
    #: One ``Dosage``: directions as text, and the structured dose's number; what else it says stays.
    DOSAGE = "dosage"


@dataclass(frozen=True, kw_only=True)
class Editable:
    """How a reviewer may type another value of a field; ``unit`` stands behind a number, ``options`` are code → words."""

    kind: EditKind
    value: str = ""
    unit: str = ""
    dose: str = ""
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class FieldRow:
    """One clinical field in three columns, in words; ``seen`` is ``None`` where its author had not seen it.

    ``direction`` says in words what the proposal does to the risk ("▲ raises risk"), or nothing; ``codes`` are the codes behind
    the words, on demand; ``fixed`` says why the field cannot be chosen alone, or nothing.
    """

    name: str
    label: str
    group: str
    state: FieldState
    changed_by: str | None
    seen: str | None
    chart: str
    proposed: str
    direction: str = ""
    codes: str = ""
    editable: Editable | None = None
    fixed: str = ""


@dataclass(frozen=True, kw_only=True)
class ChartChange:
    """Who moved the chart: a sentence, and its parts where known. ``at`` is words with the zone."""

    sentence: str
    who: str | None = None
    role: str | None = None
    system: str | None = None
    at: str | None = None
    distance: str | None = None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Who proposes it and on what evidence, as labelled lines; ``ai`` are the lines on a model that wrote it."""

    lines: tuple[tuple[str, str], ...]
    why: str = ""
    ai: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ContextEntry:
    """Something of the chart that the decision needs, read live: ``lines`` are words, ``read_at`` words with the zone.

    Not readable: ``lines`` is :data:`UNREAD` alone.
    """

    title: str
    lines: tuple[str, ...]
    read_at: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One thing that may be decided, with its result in words; none is ever preselected.

    ``verb`` is a :class:`canonical.review_desk.Verb`; ``result`` what the chart will say; ``undo`` whether it can be taken back;
    ``behind`` what happens to those that wait; ``reasons`` are code → words, asked for where there are some;
    ``closed_to`` says why this reviewer may not, or nothing; ``fields``: it is decided field by field, ``parts``: part by part.
    """

    verb: str
    label: str
    result: str
    undo: str = ""
    behind: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    text_required: bool = False
    closed_to: str = ""
    fields: bool = False
    parts: bool = False


@dataclass(frozen=True, kw_only=True)
class WaitingCommand:
    """A command that waits behind a case."""

    id: UUID
    words: str
    received_at: datetime
    severity: int


@dataclass(frozen=True, kw_only=True)
class FirstDecision:
    """What a first person decided, for the one who is to sign it; ``fields`` are label → what will be written, in words.

    ``at`` is words with the zone.
    """

    who: str
    at: str
    sentence: str
    fields: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """One case in reading order. ``view`` is what a decision must name: it says which chart the reviewer saw.

    ``successor`` is the record in place of the patient's where that was merged. ``parts`` are those of a command of which only
    some are in the chart, or were taken back.
    ``closed`` says why it is over (and ``status`` what became of the write since); ``news`` what is new since the reviewer's
    last look, ``first_decision`` what waits for a second signature, ``answers`` what its author was asked and said, a sentence
    each, oldest first, ``round`` counts how often the chart moved during review; ``break_glass``: a reason is asked for before
    anything else is shown, and everything else is empty.
    """

    row: CaseRow
    question: str
    view: str = ""
    command_id: UUID | None = None
    banner: Banner | None = None
    successor: Banner | None = None
    fields: tuple[FieldRow, ...] = ()
    unchanged: tuple[FieldRow, ...] = ()
    parts: tuple[PartRow, ...] = ()
    chart_change: ChartChange | None = None
    proposal: Proposal | None = None
    context: tuple[ContextEntry, ...] = ()
    choices: tuple[Choice, ...] = ()
    waiting: tuple[WaitingCommand, ...] = ()
    timeline: tuple[TimelineEvent, ...] = ()
    payload: str = ""
    ids: tuple[tuple[str, str], ...] = ()
    status: str = ""
    closed: str = ""
    news: str = ""
    round: int = 0
    round_limit: int = 5
    claimed_by_me: bool = False
    needs_second: str = ""
    answers: tuple[str, ...] = ()
    first_decision: FirstDecision | None = None
    break_glass: bool = False
    read_at: str = ""


@dataclass(frozen=True, kw_only=True)
class CommandPageView:
    """One command for people: where it is in plain words, its case if one is open, what happened, how it could be undone.

    ``words`` is what was intended, as received and, where a person decided otherwise, as decided. ``status`` is a
    :class:`canonical.status.Status`; ``may_compensate`` a sentence on whether it can be taken back, ``compensations``
    (operation → what it does) how; ``related``: commands that took this back or were taken back by it, in words and by id;
    ``acknowledgement`` is a sentence on whether its author is known to know where it is; ``break_glass``: its content is shown to
    whoever says why they must see it.
    """

    id: UUID
    words: tuple[tuple[str, str], ...] | None
    status: str
    sentence: str
    next: str
    patient: str | None
    connection: str
    sender: str
    received_at: datetime
    correlation_id: str
    case_id: int | None
    timeline: tuple[TimelineEvent, ...]
    operations: tuple[tuple[str, str], ...] = ()
    may_compensate: str = ""
    compensations: tuple[tuple[str, str], ...] = ()
    related: tuple[tuple[str, UUID], ...] = ()
    acknowledgement: str = ""
    break_glass: bool = False


@dataclass(frozen=True, kw_only=True)
class SearchHit:
    """One command that a search found; ``status`` is a :class:`canonical.status.Status`."""

    id: UUID
    words: str
    status: str
    patient: str | None
    received_at: datetime
    connection: str
    case_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What reviewing cost, of cases closed in a span of time, by EHR connection and action."""

    connection: str
    action_type: str
    closed: int
    minutes_to_first_look: float | None
    minutes_to_decision: float | None
    changed: int
    reopened: int
    moot: int
    overturned: int
    per_1000_commands: float | None = None
    budget: float | None = None


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """The figures of the queue: open by severity and age, conflict rate and outcomes by connection, effort.

    ``ages`` are (label, count by severity 1-4); ``conflict_rates`` (connection, day as ISO date, conflicts, commands);
    ``outcomes`` (connection, public status, count); ``notices`` what the policy's owner should look at.
    """

    now: datetime
    open: int
    overdue: int
    oldest: timedelta | None
    by_kind: tuple[tuple[str, int], ...] = ()
    ages: tuple[tuple[str, tuple[int, int, int, int]], ...] = ()
    conflict_rates: tuple[tuple[str, str, int, int], ...] = ()
    outcomes: tuple[tuple[str, str, int], ...] = ()
    effort: tuple[Effort, ...] = ()
    notices: tuple[str, ...] = ()
