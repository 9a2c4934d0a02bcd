"""What the EHR's own staff must accept first: when to ask again, what an answer means, and the port. It never leads to a resend.

Nobody tells us that a clinician took a write into the chart, or turned it down: it is looked for, ever more seldom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from canonical.command import Command
    from canonical.ports import Operation

#: Between two looks: at least, at most, and as a part of how long it has waited. A tank is emptied within minutes or not today.
SOONEST, LATEST, PART = timedelta(minutes=1), timedelta(hours=6), 0.5
#: What was taken for a look that came to nothing (its worker died) is looked for again after this; longer than any look takes.
LEASE = timedelta(minutes=5)
#: How long the EHR's staff may take, before a person asks them.
TIME_BOX_DEFAULT = timedelta(days=7)
#: Option of a connection: days that its EHR's staff may take.
TIME_BOX_DAYS = "accepted_within_days"
#: Option of a connection: how many writes that wait there are asked for in one pass of the sweep.
ASKED_AT_ONCE = "waiting_asked_at_once"
ASKED_AT_ONCE_DEFAULT = 2
#: No connection is given more of either.
MOST_ASKED, MOST_DAYS = 50, 90
#: The case of what they did not accept in time, and of what they turned down.
NOT_IN_TIME, TURNED_DOWN = "time_box_ended", "turned_down"

#: An entry of which this is said stands in the chart as something that does not count.
_VOID = frozenset({"entered-in-error", "refuted", "rejected"})
_STATUSES = ("status", "docStatus", "verificationStatus")


def next_look(age: timedelta) -> timedelta:
    """Return how long to wait before asking again for what has waited for ``age``: the older, the longer."""
    return min(max(age * PART, SOONEST), LATEST)


def time_box(options: Mapping[str, Any]) -> timedelta:
    """Return how long the staff of an EHR with these connection ``options`` may take."""
    days = options.get(TIME_BOX_DAYS)
    return TIME_BOX_DEFAULT if days is None else timedelta(days=float(days))


def asked_at_once(options: Mapping[str, Any]) -> int:
    """Return how many writes the EHR of a connection with these ``options`` is asked for in one pass (0: none)."""
    return int(options.get(ASKED_AT_ONCE, ASKED_AT_ONCE_DEFAULT))


class Seen(Enum):
    """What the EHR shows of one operation that its staff must accept."""

    #: It is in the chart; whether it says what was sent is for the proof.
    VISIBLE = auto()
    #: The EHR says that it was taken out again, or shows it as something that does not count.
    REFUSED = auto()
    #: Nothing yet, or nothing that can be read.
    NOT_YET = auto()


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What was seen of operation ``seq``: ``reference`` (``Type/id``) and opaque ``version`` where it is visible."""

    seq: int
    seen: Seen
    reference: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class WaitingWrite:
    """A command whose operations the EHR's staff have, as it stood at ``now``; ``since`` is when it got there (both UTC)."""

    command: Command
    operations: Sequence[Operation]
    since: datetime
    now: datetime

    @property
    def age(self) -> timedelta:
        """How long it has waited."""
        return self.now - self.since


def is_void(resource: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Return whether an entry is shown as one that does not count, though what was sent (``said``) would."""
    return bool(_codes(resource) & _VOID - _codes(said))


def _codes(resource: Mapping[str, Any]) -> frozenset[str]:
    found = [resource.get(name) for name in _STATUSES]
    plain = {value for value in found if isinstance(value, str)}
    concepts = [value for value in found if isinstance(value, Mapping)]
    coded = {str(coding.get("code")) for concept in concepts for coding in concept.get("coding") or ()}
    return frozenset(plain | coded)


def judge(sightings: Sequence[Sighting]) -> Seen:
    """Return what follows for the whole command: one refused part is a person's; it is visible when every part is."""
    seen = {item.seen for item in sightings}
    if Seen.REFUSED in seen:
        return Seen.REFUSED
    return Seen.VISIBLE if seen == {Seen.VISIBLE} else Seen.NOT_YET


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """How one connection is asked: ``most`` writes in a pass (count), and the ``time_box`` of its staff."""

    tenant: str
    name: str
    most: int
    time_box: timedelta


class WaitingWrites(Protocol):
    """What looking for accepted writes asks of the store. Thread-safe; each method is one commit.

    Each may raise ``StoreUnavailableError``. Moves are guarded by state and event number: made once, by whoever comes first.
    """

    def due(self, allowances: Sequence[Allowance]) -> list[UUID]:
        """Return the writes to ask for now, of each connection those longest due, and no more than it is allowed."""
        ...

    def take(self, command: UUID) -> WaitingWrite | None:
        """Take a write that is due for one look; it is due again after ``LEASE``. ``None``: it is not, or somebody did."""
        ...

    def become_visible(self, write: WaitingWrite, sightings: Sequence[Sighting]) -> bool:
        """Move it to ``applied`` with where it was seen; ``False``: something else happened to it."""
        ...

    def turn_down(self, write: WaitingWrite) -> bool:
        """Move it to ``in_review`` with a case that says that the EHR's staff turned it down."""
        ...

    def postpone(self, write: WaitingWrite, wait: timedelta) -> None:
        """Ask again after ``wait``."""
        ...

    def end_time_boxes(self, allowances: Sequence[Allowance], *, limit: int, otherwise: timedelta) -> list[UUID]:
        """Hand to a person what waited longer than its connection allows, or than ``otherwise``; return those commands."""
        ...
