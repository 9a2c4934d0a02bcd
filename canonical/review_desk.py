"""The port of the review queue: what pages, API and command line may ask of it, and how it refuses. No storage, no HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from canonical.case_views import (
    BoardView,
    CasePage,
    CaseQuery,
    CasesFound,
    CommandPageView,
    QueuePage,
    QueueQuery,
    SearchHit,
)
from canonical.errors import WritebackError
from canonical.explanation import Explanation
from canonical.reviewer import Reviewer


class Verb(StrEnum):
    """What can be decided of a case."""

    #: Send it as it is: a person approved exactly these bytes.
    APPROVE = "approve"
    #: Send it as corrected here, field by field: whoever corrects it approves what they made of it.
    EDIT = "edit"
    #: Decide, field by field, between chart, proposal and another value; what is left to write goes on the version seen.
    RESOLVE = "resolve"
    #: Send it for the record that the patient's was merged into, with every check made again.
    REMAP = "remap"
    #: Send it although the chart or the EHR spoke against it.
    RESEND = "resend"
    #: A person found it in the chart; it is read back and proven.
    FOUND = "found"
    #: The chart says something else than was proven, and is right as it is now.
    ACCEPT = "accept"
    #: Do not write it.
    REJECT = "reject"
    #: Its author takes it back.
    WITHDRAW = "withdraw"
    #: Hand it up: to the next level, at the top of their queue.
    ESCALATE = "escalate"
    #: Return it to its author with a question and a time by which they answer.
    ASK_AUTHOR = "ask_author"
    #: Sign, as a second person, what a first one decided.
    SIGN = "sign"
    #: Have seen what stands beside a command that goes on by itself.
    ACKNOWLEDGE = "acknowledge"
    #: Take out of the chart again what stands of it: the parts that are picked, each by a command of its own.
    COMPENSATE = "compensate"


class Pick(StrEnum):
    """Whose value of a field is kept."""

    CHART = "chart"
    PROPOSAL = "proposal"
    ANOTHER = "another"


@dataclass(frozen=True, kw_only=True)
class FieldPick:
    """The choice on one field; ``value`` is the other value as R4 JSON where one was typed."""

    pick: Pick
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a reviewer decided, on the view they had.

    ``view`` names it (:class:`canonical.case_views.CasePage`); ``fields`` is the pick by field name, for what is decided field by
    field; ``parts`` is how each part is taken back (its place in the order of writing → the operation), for what is decided part
    by part, where a part that is not named stays; ``reason`` a code of the choice's list, ``text`` free words (clinical content:
    kept among the payloads).
    """

    verb: Verb
    view: str
    fields: Mapping[str, FieldPick] = field(default_factory=dict)
    parts: Mapping[int, str] = field(default_factory=dict)
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What came of a decision: the sentence to show, and the command it moved; ``awaits_second``: another person must sign."""

    sentence: str
    command_id: UUID
    awaits_second: bool = False


#: Why a look or a decision is refused.
REFUSALS = frozenset(
    {
        *("not-found", "not-permitted", "claimed-by-another", "stale-view", "already-decided", "reason-required"),
        *("forged-view", "field-missing", "value-refused", "chart-unreadable", "second-signer", "not-possible"),
    }
)


class ReviewError(WritebackError):
    """A decision or look was refused; nothing was changed. The message says what happened and what to do."""

    def __init__(self, code: str, message: str) -> None:
        """Carry one of :data:`REFUSALS`."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class BulkResult:
    """What became of each case of a bulk act, by id: ``done``, or the sentence of its refusal."""

    results: Mapping[int, str]


class ReviewDesk(Protocol):
    """The review queue. Thread-safe. Every method raises :class:`ReviewError` and ``StoreUnavailableError``."""

    def queue(self, reviewer: Reviewer, query: QueueQuery) -> QueuePage:
        """Return open cases that the reviewer may see."""
        ...

    def open(self, reviewer: Reviewer, case_id: int, *, break_glass: str = "") -> CasePage:
        """Return a case with the chart read just now; closes it by itself if the chart has answered its question.

        ``break_glass`` is the reason given where the patient is in a restricted class.
        """
        ...

    def claim(self, reviewer: Reviewer, case_id: int) -> CasePage:
        """Take the case for oneself for some minutes; raises ``claimed-by-another``."""
        ...

    def release(self, reviewer: Reviewer, case_id: int) -> None:
        """Give a case back."""
        ...

    def decide(self, reviewer: Reviewer, case_id: int, decision: Decision) -> Decided:
        """Carry a decision out, on the version that the reviewer saw; raises ``stale-view`` if the chart moved since."""
        ...

    def bulk(self, reviewer: Reviewer, case_ids: tuple[int, ...], verb: Verb, *, reason: str, text: str) -> BulkResult:
        """Act on cases of one cause: send again, return to the author, reject, escalate; never approve what is clinical."""
        ...

    def command(self, reviewer: Reviewer, command_id: UUID, *, break_glass: str = "") -> CommandPageView:
        """Return one command for people; ``break_glass`` is the reason given where its content is restricted."""
        ...

    def explain(self, reviewer: Reviewer, command_id: UUID) -> Explanation:
        """Return what was intended, what happened, and what the chart says now, read live."""
        ...

    def compensate(self, reviewer: Reviewer, command_id: UUID, *, operation: str, reason: str) -> UUID:
        """Give the command that takes ``command_id`` out of the chart, and return its id."""
        ...

    def search(self, reviewer: Reviewer, terms: Mapping[str, str]) -> tuple[SearchHit, ...]:
        """Find commands by ``correlation_id``, ``patient`` (``Patient/id``), ``status`` or ``vendor_code``."""
        ...

    def find_cases(self, reviewer: Reviewer, query: CaseQuery) -> CasesFound:
        """Find cases of the reviewer's queues, open or closed, newest first; raises ``RefusedError`` for a bad cursor."""
        ...

    def board(self, reviewer: Reviewer) -> BoardView:
        """Return the figures of the queue."""
        ...
