"""What the case door takes and answers, as models: the shapes in OpenAPI are these. Answers hold clinical content, in words.

Each answer repeats a view of :mod:`canonical.case_views` member by member; a test keeps the two equal.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from api.models import Document, TimelineDocument
from canonical.datatypes import Element
from canonical.envelope import Token
from canonical.review_desk import Pick, Verb
from canonical.reviewer import Pool

#: What somebody wrote: a question, how they know, why they must see it. Kept among the payloads, never logged.
Words = Annotated[str, StringConstraints(max_length=4000, strip_whitespace=True)]
CaseId = Annotated[int, Field(ge=1, lt=2**63, strict=True)]
#: A part's place in the order of writing, as the name of a JSON member.
Place = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}$")]
Term = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
#: Cases of one bulk act.
BULK_LIMIT = 100


class QueueFilters(BaseModel):
    """What of the open cases to list; what is left out does not narrow. Nothing here names a patient: addresses are logged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pool: Pool | None = Field(None, description="`clinical` or `operations`, of those that are yours.")
    kind: Token | None = Field(None, description="Kind of case, as `kinds` of the answer lists them.")
    connection: Token | None = Field(None, description="EHR connection.")
    action_type: Token | None = Field(None, alias="actionType", description="Such as `MedicationChange`.")
    severity: int | None = Field(None, ge=1, le=4, description="1 is now.")
    mine: bool = Field(False, description="Only what you have claimed.")
    together: int | None = Field(
        None, ge=1, lt=2**63, description="Those that the case of this id stands for, each by itself."
    )
    cursor: str | None = Field(None, max_length=200, description="As the page before gave it.")
    limit: int = Field(50, ge=1, le=100)


class CaseSearchRequest(Element):
    """Which cases to find, open or closed; what is left out does not narrow. A body, since it may name a patient."""

    kind: Token | None = None
    severity: Annotated[int, Field(ge=1, le=4, strict=True)] | None = None
    pool: Pool | None = None
    connection: Token | None = None
    state: Literal["open", "closed", "any"] = "open"
    older_than_minutes: Annotated[int, Field(ge=0, le=5_256_000, strict=True)] | None = None
    correlation_id: Term | None = None
    patient: Term | None = None
    vendor_code: Term | None = None
    cursor: Term | None = None
    limit: Annotated[int, Field(ge=1, le=100, strict=True)] = 50


class BreakGlassRequest(Element):
    """Why somebody must see a patient of a restricted class; it is recorded."""

    break_glass: Annotated[Words, Field(min_length=1)]


class PickRequest(Element):
    """Whose value of a field is kept; ``value`` is the other value, as R4 JSON, where one was typed.

    What is typed is laid over the proposal: ``{"doseAndRate": [{"doseQuantity": {"value": 12.50}}]}`` changes the dose and
    leaves the rest. Numbers are kept as written.
    """

    pick: Pick
    value: Any = None


class DecisionRequest(Element):
    """A decision on the look at the chart that ``view`` names; ``reason`` is a code of the choice's list.

    ``parts``, of ``compensate``: place of a part → the operation of one of its ways; a part that is not named stays in the chart.
    """

    verb: Verb
    view: Token
    fields: Annotated[dict[Token, PickRequest], Field(max_length=100, default_factory=dict)]
    parts: Annotated[dict[Place, Token], Field(max_length=200, default_factory=dict)]
    reason: Annotated[str, StringConstraints(max_length=64)] = ""
    text: Words = ""


class BulkRequest(Element):
    """One act on many cases of one kind and connection; never an approval, and never what is decided one by one."""

    cases: Annotated[tuple[CaseId, ...], Field(min_length=1, max_length=BULK_LIMIT)]
    verb: Verb
    reason: Annotated[str, StringConstraints(max_length=64)] = ""
    text: Words = ""


class OptionDocument(Document):
    """A code to send, and its words."""

    code: str
    words: str


class LineDocument(Document):
    """A statement with its label."""

    label: str
    text: str


def named(*names: str) -> BeforeValidator:
    """Return what gives the parts of a tuple their names."""

    def as_members(value: Any) -> Any:
        """Give the parts their names."""
        pair = value if isinstance(value, tuple) else None
        return value if pair is None else dict(zip(names, pair, strict=True))

    return BeforeValidator(as_members)


Option = Annotated[OptionDocument, named("code", "words")]
Line = Annotated[LineDocument, named("label", "text")]


class CaseRowDocument(Document):
    """One line of the queue. ``patient`` and ``headline`` are ``null`` without the right to see content.

    ``notInBulk``: why it is decided by itself, or empty; ``level`` counts escalations; ``asked``: its author has not
    answered yet; ``together``: so many open cases (1000 at most) are of the ``cause`` that the line stands for.
    """

    id: int
    kind: str
    kind_words: str
    severity: int
    pool: Pool
    opened_at: datetime
    due_at: datetime
    is_overdue: bool
    patient: str | None = None
    headline: str | None = None
    action: str
    sender: str
    connection: str
    ehr: str
    waiting: int
    level: int
    claimed_by: str | None = None
    asked: bool
    not_in_bulk: str
    together: int
    cause: str


class QueueDocument(Document):
    """Open cases, most severe first and then by due time; send ``cursor`` again to go on, until there is none.

    ``open`` counts all that the filters find, up to ``countedTo``; the rest is what may be filtered by, and the reasons of
    bulk acts.
    """

    rows: tuple[CaseRowDocument, ...]
    cursor: str | None = None
    open: int
    counted_to: int
    overdue: int
    kinds: tuple[Option, ...]
    connections: tuple[str, ...]
    action_types: tuple[str, ...]
    bulk_reasons: tuple[Option, ...]


class CasesFoundDocument(Document):
    """Cases, newest first; send ``cursor`` again to go on, until there is none: a page before the last may be empty."""

    rows: tuple[CaseRowDocument, ...]
    cursor: str | None = None


class BannerDocument(Document):
    """Whom it is about, as the chart says now, in words."""

    name: str
    birth: str
    sex: str
    record_number: str
    place: str
    allergies: str
    identity_in_question: bool


class EditableDocument(Document):
    """How another value of a field may be typed on a form: ``quantity``, ``text``, ``date``, ``choice`` or ``dosage``."""

    kind: str
    value: str
    unit: str
    dose: str
    options: tuple[Option, ...]


class FieldDocument(Document):
    """One field in three columns, in words: as its author saw it (``null``: not seen), in the chart now, as proposed.

    ``state`` is ``same``, ``independent``, ``overlapping`` or ``already_there``; ``fixed`` says why it cannot be
    picked, or nothing.
    """

    name: str
    label: str
    group: str
    state: str
    changed_by: str | None = None
    seen: str | None = None
    chart: str
    proposed: str
    direction: str
    codes: str
    editable: EditableDocument | None = None
    fixed: str


class ChartChangeDocument(Document):
    """Who moved the chart: a sentence, and its parts where the EHR tells them."""

    sentence: str
    who: str | None = None
    role: str | None = None
    system: str | None = None
    at: str | None = None
    distance: str | None = None


class ProposalDocument(Document):
    """Who proposes it and on what evidence; ``ai`` are the lines on a model that wrote it."""

    lines: tuple[Line, ...]
    why: str
    ai: tuple[Line, ...]


class ContextDocument(Document):
    """Something of the chart that the decision needs, read just now."""

    title: str
    lines: tuple[str, ...]
    read_at: str


class ChoiceDocument(Document):
    """One thing that may be decided, and what comes of it. ``closedTo``: why you may not, or nothing.

    ``reasons``: one of them is needed, if there are any; ``fields``: send a pick for each field that is not ``fixed``;
    ``parts``: send a way for each part that is to be undone.
    """

    verb: Verb
    label: str
    result: str
    undo: str
    behind: str
    reasons: tuple[Option, ...]
    text_required: bool
    closed_to: str
    fields: bool
    parts: bool


class PartWayDocument(Document):
    """One way to undo a part: send ``operation`` to pick it, empty where only a person can, in the EHR.

    ``means`` and ``degree`` as in ``GET /v1/compensations``; ``closedTo``: why you cannot pick it, or nothing.
    """

    operation: str
    means: str
    degree: str
    sentence: str
    closed_to: str


class PartDocument(Document):
    """One part of a command that is in the chart only in part, as it stands there; ``seq`` is its place in the order of writing.

    ``standing``: ``asWritten``, ``changed``, ``gone``, ``inError``, ``takenBack``, ``madeUpFor``, ``removed``, ``notThere``,
    ``notSent``, ``maybeThere`` or ``notRead``; ``version`` is the one that was written. ``ways``: none unless it stands.
    """

    seq: int
    what: str
    standing: str
    sentence: str
    reference: str
    version: str
    ways: tuple[PartWayDocument, ...]
    note: str


class WaitingDocument(Document):
    """A command that waits behind the case."""

    id: UUID
    words: str
    received_at: datetime
    severity: int


class FirstDecisionDocument(Document):
    """What a first person decided, for the one who is to sign it; ``fields`` say what will be written."""

    who: str
    at: str
    sentence: str
    fields: tuple[Line, ...]
    reason: str
    text: str


class CaseDocument(Document):
    """One case in the order in which it is read. A decision must name ``view``: it says which chart you saw.

    ``closed``: why it is over (then there is no ``view``), ``status`` what became of the write; ``news``: what moved since your
    last look; ``answers``: what its author was asked and said; ``breakGlass``: nothing is shown before a reason is given with
    ``:open``.
    """

    row: CaseRowDocument
    question: str
    view: str
    command_id: UUID | None = None
    banner: BannerDocument | None = None
    successor: BannerDocument | None = None
    fields: tuple[FieldDocument, ...]
    unchanged: tuple[FieldDocument, ...]
    parts: tuple[PartDocument, ...]
    chart_change: ChartChangeDocument | None = None
    proposal: ProposalDocument | None = None
    context: tuple[ContextDocument, ...]
    choices: tuple[ChoiceDocument, ...]
    waiting: tuple[WaitingDocument, ...]
    timeline: tuple[TimelineDocument, ...]
    payload: str
    ids: tuple[Line, ...]
    status: str
    closed: str
    news: str
    round: int
    round_limit: int
    claimed_by_me: bool
    needs_second: str
    answers: tuple[str, ...]
    first_decision: FirstDecisionDocument | None = None
    break_glass: bool
    read_at: str


class DecidedDocument(Document):
    """What came of a decision, in a sentence; ``awaitsSecond``: nothing is sent before another person signs it."""

    sentence: str
    command_id: UUID
    awaits_second: bool


class BulkItemDocument(Document):
    """What became of one case: ``done``, or the sentence of its refusal."""

    id: int
    done: bool
    sentence: str


class BulkDocument(Document):
    """What became of each case; each stands alone."""

    results: tuple[BulkItemDocument, ...]
