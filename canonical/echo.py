"""The ports of the echo guard: hearing of changes, and one look at one entry for it. No EHR is asked here, nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from canonical.notification import Notification
    from canonical.ports import Operation

#: The kind of the one case of an entry at which two systems undo each other's writes; while it is open the app's writes wait.
LOOP = "loop_between_systems"


class Heard(StrEnum):
    """What one notification, one event or one entry came to at the door."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    #: It was heard before.
    DUPLICATE = "duplicate"
    #: A later event was heard before it; it counts all the same, since the entry is read as it is now.
    OUT_OF_ORDER = "out_of_order"
    #: The entry concerns no command of ours, or the event names none.
    UNKNOWN = "unknown"
    #: The entry is to be read.
    TOUCHED = "touched"
    #: An event that was never heard, as the next one's number shows.
    MISSED = "missed"


class Found(StrEnum):
    """What one look at an entry showed."""

    #: It is as our own last write left it.
    ECHO = "echo"
    #: Somebody else changed it, or took it out.
    CHANGED = "remote_change"
    #: Somebody else changed it, and that was seen and accepted before.
    KNOWN = "known"
    #: The EHR will not show it, or what it shows cannot be compared.
    UNREADABLE = "unreadable"
    #: Nothing of ours concerns it any more.
    UNCONCERNED = "unconcerned"


@dataclass(frozen=True, kw_only=True)
class TouchedEntry:
    """An entry (``Type/id``) taken for one look; ``notices`` tells whether more is heard of it meanwhile.

    ``last`` is our own last write there (by ``command``), ``versions`` are those that our writes and theirs alone led to.
    ``accepted`` are digests that a later look of the drift watch may find. ``sending`` and ``unanswered``: lanes in which a
    write that may be about it is under way, or has no answer yet. ``awaited``: our mark → command of creates of this
    type whose place in the chart is not known. ``is_queued``: something of ours waits to be written there.
    """

    id: int
    tenant: str
    connection: str
    reference: str
    notices: int
    command: UUID | None = None
    last: Operation | None = None
    versions: frozenset[str] = frozenset()
    accepted: frozenset[bytes] = frozenset()
    sending: frozenset[int] = frozenset()
    unanswered: frozenset[int] = frozenset()
    awaited: Mapping[str, UUID] = field(default_factory=dict)
    is_queued: bool = False


@dataclass(frozen=True, kw_only=True)
class Glimpse:
    """What a look showed. ``undone``: what ``last`` wrote is not there any more; ``awaited``: the command that made it."""

    found: Found
    undone: bool = False
    awaited: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Consequences:
    """What is to be looked at now because an entry changed: open cases, settled writes, writes that wait for the EHR's staff.

    ``loop`` is the case of a loop that was found now.
    """

    cases: tuple[int, ...] = ()
    settled: tuple[UUID, ...] = ()
    waiting: tuple[UUID, ...] = ()
    loop: int | None = None


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What became of one notification: how often each, and the rows of ``touched`` entries."""

    counts: Mapping[Heard, int]
    touched: tuple[int, ...] = ()


class Ears(Protocol):
    """What remembers notifications. Thread-safe; each method is one commit and may raise ``StoreUnavailableError``."""

    def hear(self, tenant: str, connection: str, notification: Notification, *, message: bytes) -> Hearing:
        """Store what is new of a notification; ``message`` is the digest by which a repeat of it is known."""
        ...


class EchoBook(Protocol):
    """What remembers the entries to be read. Thread-safe; each method is one commit, may raise ``StoreUnavailableError``."""

    def due(self, *, limit: int, missed: Callable[[str, str], int]) -> list[int]:
        """Return entries to look at now, ``limit`` of each connection; for missed events as many as ``missed`` gives."""
        ...

    def spread_gaps(self, *, limit: int) -> int:
        """Put down up to ``limit`` entries of each connection where events were missed; return how many it looked through."""
        ...

    def forget(self, *, limit: int) -> int:
        """Forget up to ``limit`` notifications that are too old to come again; return how many."""
        ...

    def take(self, entry: int) -> TouchedEntry | None:
        """Take an entry for one look; ``None``: it is not due, or somebody has it."""
        ...

    def postpone(self, entry: TouchedEntry, *, away: bool) -> None:
        """Look later: the EHR did not answer (``away``), now or to a write of ours; or such a write is under way."""
        ...

    def settle(self, entry: TouchedEntry, glimpse: Glimpse) -> Consequences:
        """Store what a look showed, with all that follows from it, in one commit."""
        ...
