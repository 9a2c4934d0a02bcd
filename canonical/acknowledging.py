"""What an app owes once a command did not simply reach the chart: to confirm that its author saw so. Rules, no store.

Owed at once by what ended other than in the chart, and by what waits for a person once it waits longer than its severity allows.
What the author or the app did itself, nobody needs to tell them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from canonical.lifecycle import ENDED, NEEDS_PERSON, State, Trigger

if TYPE_CHECKING:
    from canonical.events import Move

#: The app in whose name authors are sent messages: consents, switches and quotas name it as they name any other.
NOTICES_APP = "writeback-notices"
#: The case of what nobody confirmed.
UNACKNOWLEDGED = "unacknowledged"
#: Option of a connection: what follows where nobody confirmed in time, ``message`` or ``case``.
FALLBACK_OPTION = "unacknowledged"
#: By these a command ends as its own author or app wished.
BY_ITS_AUTHOR = frozenset({Trigger.CANCELLED, Trigger.AUTHOR_WITHDREW})


class Owing(Enum):
    """What a move does to what its command's app owes."""

    #: From now on.
    AT_ONCE = auto()
    #: Once it has waited for a person longer than its severity allows.
    WHEN_LATE = auto()
    #: What was owed is not owed any more.
    NO_MORE = auto()
    #: It stays as it is.
    UNCHANGED = auto()


def owing(step: Move) -> Owing:
    """Return what ``step`` does to what is owed."""
    if step.target in ENDED and step.trigger not in BY_ITS_AUTHOR:
        return Owing.AT_ONCE
    if step.target in NEEDS_PERSON:
        # From one question to the next its author is told of nothing new: it goes on waiting.
        return Owing.UNCHANGED if step.source in NEEDS_PERSON else Owing.WHEN_LATE
    return Owing.NO_MORE if step.source in NEEDS_PERSON else Owing.UNCHANGED


class Fallback(StrEnum):
    """What follows where nobody confirmed in time."""

    #: A message in the EHR to the author; where that cannot be sent, a case.
    MESSAGE = "message"
    #: A case of operations.
    CASE = "case"


def fallback_of(options: Mapping[str, Any]) -> Fallback:
    """Return what the connection with these ``options`` declares; nothing is written to a chart without its word."""
    return Fallback(options.get(FALLBACK_OPTION, Fallback.CASE))


class How(StrEnum):
    """How it became known that the author learned of it, or who took it on."""

    #: The app said so.
    APP = "app"
    #: The app took the callback, and declares that it shows what it is told to the author.
    DELIVERY = "delivery"
    #: The message to the author is in the chart, proven.
    MESSAGE = "message"
    #: A person closed the case of it.
    PERSON = "person"
    #: It is a message of ours: what it was to tell became a case.
    HANDED_ON = "handed_on"


class Heard(Enum):
    """What an acknowledgement came to."""

    #: It counts.
    NOTED = auto()
    #: It counted before; that stays as it was.
    REPEATED = auto()
    #: Nothing needs to be acknowledged; that does no harm.
    NOTHING_OWED = auto()
    #: What was seen is not where the command is now.
    OUTDATED = auto()
    #: The command has no such event.
    NO_SUCH_EVENT = auto()


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What is owed of one command: to confirm the event ``sequence`` or a later one, from ``owed_at`` on, by ``due_at`` (UTC).

    ``fallback`` is what followed at ``fallback_at``, where nobody confirmed in time.
    """

    sequence: int
    severity: int
    owed_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    how: How | None = None
    seen_by: str | None = None
    fallback: Fallback | None = None
    fallback_at: datetime | None = None


_HOW_WORDS = {
    How.APP: "The app confirmed that its author saw it",
    How.DELIVERY: "The app took the notice, and shows what it is told to the author",
    How.MESSAGE: "The author was sent a message, which is in the EHR",
    How.PERSON: "A person took it on",
    How.HANDED_ON: "What this message was to tell became a case",
}
_FALLBACK_WORDS = {
    Fallback.MESSAGE: "so its author is sent a message",
    Fallback.CASE: "so operations were asked to tell its author",
}


def in_words(owed: Owed | None) -> str:
    """Return what is owed, or what became of it, as a sentence; nothing where nothing is."""
    if owed is None:
        return ""
    if owed.acknowledged_at is not None and owed.how is not None:
        return f"{_HOW_WORDS[owed.how]} ({_time(owed.acknowledged_at)})."
    if owed.fallback is not None:
        return f"Its app did not confirm in time that its author saw it, {_FALLBACK_WORDS[owed.fallback]}."
    return f"Its app has until {_time(owed.due_at)} to confirm that its author saw where it is."


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """A command whose app did not confirm ``sequence`` in time; ``received_at`` is UTC, ``envelope`` its JSON bytes (content)."""

    id: UUID
    tenant: str
    app: str
    connection: str
    sequence: int
    severity: int
    state: State
    reason: str
    sent_as: str | None
    correlation_id: str
    received_at: datetime
    envelope: bytes

    @property
    def is_notice(self) -> bool:
        """Whether it is itself a message to an author."""
        return self.app == NOTICES_APP


@dataclass(frozen=True, kw_only=True)
class OpenOwed:
    """One command of the list of what is owed; times are UTC."""

    id: UUID
    tenant: str
    connection: str
    state: State
    owed_at: datetime
    due_at: datetime
    fallback: Fallback | None


@dataclass(frozen=True, kw_only=True)
class OwedFigures:
    """How many commands are owed an acknowledgement now, and for how long the first of them has been."""

    count: int
    oldest: timedelta


class OverdueList(Protocol):
    """What the sweep asks of the store; every method is one transaction and may raise ``StoreUnavailableError``."""

    def overdue(self, *, limit: int) -> list[Overdue]:
        """Return up to ``limit`` commands that nobody confirmed in time and for which nothing was done, the oldest first."""
        ...

    def ask_operations(self, overdue: Overdue, *, why: str) -> bool:
        """Open the case, with ``why`` no message went (a code); ``False``: somebody else did it, or it is owed no more."""
        ...

    def message_given(self, overdue: Overdue, message: UUID) -> bool:
        """Note that the command ``message`` tells the author; ``False`` as of :meth:`ask_operations`."""
        ...

    def hand_on(self, notice: Overdue) -> bool:
        """Open the case of what a message that stopped was to tell; ``False``: that is owed no more."""
        ...

    def messages_arrived(self, *, limit: int) -> int:
        """Note of up to ``limit`` commands that the message to their author is in the chart; return of how many."""
        ...
