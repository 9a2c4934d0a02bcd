"""The port and the judgement of drift: does the chart still say what was proven? No EHR is asked here, nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from canonical.command import Command
    from canonical.ports import Operation


class Finding(StrEnum):
    """What one look at one entry showed, the gravest first."""

    #: The patient's record was merged into another, and the entry went with it or is gone.
    MERGED = "merged"
    #: The entry is not there any more, and nobody says that they removed it.
    DISAPPEARED = "disappeared"
    #: The entry says something else, and nobody says that they changed it.
    CHANGED = "changed"
    #: Somebody with a name removed it: their decision.
    REMOVED = "removed"
    #: Somebody with a name, or a system, changed it: their decision.
    EDITED = "edited"
    #: The entry says something else, at an EHR that names nobody: counted, and no alarm.
    NAMELESS = "nameless"
    #: The EHR will not show it, or what it shows cannot be compared.
    UNREADABLE = "unreadable"
    #: It was stored anew and means the same.
    NORMALISED = "normalised"
    #: It is as it was proven, or as it was accepted since.
    STANDS = "stands"


#: The findings of which a person must hear → the kind of their case.
ALARMS: Mapping[Finding, str] = {
    Finding.MERGED: "drift_merged",
    Finding.DISAPPEARED: "drift_disappeared",
    Finding.CHANGED: "drift",
}
#: The kind of the one case of a connection at which too much drifted; while it is open its replays wait.
INCIDENT = "drift_incident"
#: The findings after which what the chart says now is what later looks compare with.
_ACCEPTED = frozenset({Finding.EDITED, Finding.NAMELESS})
_GRAVITY = list(Finding)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What the chart was last known, and accepted, to say in place of what we wrote: its opaque version and its digest."""

    version: str | None
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class WatchedOperation:
    """One proven operation: where it went, as which version, and ``later``: our own later writes to the same entry."""

    operation: Operation
    reference: str
    version: str | None
    baseline: Baseline | None = None
    later: tuple[Operation, ...] = ()
    own_versions: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class WatchedWrite:
    """A ``verified`` command whose look is due, at ``now`` (the database's clock, UTC).

    ``proven_at`` and ``step`` say where it is in the plan of its looks; ``seen_at`` is when its entries were last known to stand.
    ``fence`` is its lane's; ``under_way``: a later write of ours may have left.
    """

    command: Command
    operations: tuple[WatchedOperation, ...]
    proven_at: datetime
    step: int
    seen_at: datetime
    now: datetime
    fence: int
    under_way: bool = False


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What one look showed of one operation: canonical names of the ``fields`` that differ, no values."""

    seq: int
    finding: Finding
    is_primary: bool = True
    fields: tuple[str, ...] = ()
    version: str | None = None
    digest: bytes | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether it is what later looks compare with."""
        return self.finding in _ACCEPTED and self.digest is not None


def judge(sights: Iterable[Sight]) -> Finding:
    """Return the gravest finding; that a part was removed by somebody changes the whole, and does not take it out."""
    found = [_of_whole(sight) for sight in sights]
    return min(found, key=_GRAVITY.index, default=Finding.STANDS)


def _of_whole(sight: Sight) -> Finding:
    return Finding.EDITED if sight.finding is Finding.REMOVED and not sight.is_primary else sight.finding


class Settled(StrEnum):
    """What came of storing a finding."""

    #: The write is looked at again when its time comes, or never more.
    SCHEDULED = "scheduled"
    #: A person is asked.
    CASE = "case"
    #: It is one of many at its connection: one case asks of all of them.
    INCIDENT = "incident"
    #: Something happened to the command, or to its entry by us, during the look: nothing was stored, it is looked at again.
    OVERTAKEN = "overtaken"


class DriftBook(Protocol):
    """What remembers which settled writes are looked at. Thread-safe; each method may raise ``StoreUnavailableError``."""

    def offer(self, *, limit: int, per_minute: Callable[[str, str], int]) -> list[UUID]:
        """Return writes to look at now, handed out once: those of high risk first, at most ``per_minute`` a connection.

        ``per_minute`` gives by (tenant, connection) how many looks a minute its EHR bears; ``limit`` is for each connection.
        """
        ...

    def give_back(self, commands: list[UUID]) -> None:
        """Have writes that nobody took on handed out again."""
        ...

    def take(self, command: UUID) -> WatchedWrite | None:
        """Take a write that was handed out, for one look; ``None``: it was not, somebody did, or it is not ``verified``."""
        ...

    def postpone(self, write: WatchedWrite) -> None:
        """Look later: the EHR did not answer, or a write of ours is under way."""
        ...

    def settle(self, write: WatchedWrite, sights: list[Sight]) -> Settled:
        """Store what a look came to with all that follows, in one commit."""
        ...
