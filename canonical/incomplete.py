"""Commands of which a part is in the chart: when a machine may send the rest, what it must see first, and the port. Pure.

It mends nothing: the rest is sent as it was journaled, or a person decides.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from canonical.outcome import Outcome
from canonical.provenance import PROVENANCE
from canonical.rest_order import Role

if TYPE_CHECKING:
    from uuid import UUID

    from canonical.command import Command
    from canonical.ports import Operation

#: The last outcome of an operation that never left.
NONE = "none"
_OUTCOMES = frozenset({NONE, "not_sent", *Outcome})


class Left(StrEnum):
    """Why a machine may not send the rest, so that a person decides."""

    #: The EHR refused it, or whatever stopped it does not pass by itself.
    CAUSE = "cause"
    #: The order in which the command is written does not allow it.
    ORDER = "order"
    #: What stands is not as it was written.
    CHANGED = "changed"
    #: What stood is not there any more.
    DISAPPEARED = "disappeared"
    #: The rest, or something of it, is in the chart.
    FOUND = "found"
    #: The EHR cannot tell whether the rest is in the chart.
    CANNOT_TELL = "cannot_tell"
    #: It was tried as often as it may be.
    TRIED = "tried"
    #: A person had decided to take back what stands, and none of it was.
    DECIDED = "decided"
    #: The EHR could not be read for too long, or does not show the record.
    UNREADABLE = "unreadable"


#: What the case says of it.
WORDS: Mapping[Left, str] = {
    Left.CAUSE: "what stopped the rest does not pass by itself",
    Left.ORDER: "the order of its parts does not allow the rest to follow later",
    Left.CHANGED: "a part that is in the chart is not as it was written",
    Left.DISAPPEARED: "a part that was in the chart is not there any more",
    Left.FOUND: "the part that failed seems to be in the chart",
    Left.CANNOT_TELL: "nobody can tell whether the part that failed is in the chart",
    Left.TRIED: "the rest was tried as often as a machine may",
    Left.DECIDED: "a person had decided to take back what is in the chart, and none of it was taken back",
    Left.UNREADABLE: "the EHR could not be read",
}


def left_in_words(left: str, who: str) -> str:
    """Return in a sentence why a machine did not send the rest; ``who``: a sentence on who changed what stands, or empty."""
    said = WORDS.get(Left(left)) if left in set(Left) else None
    return f"No machine sends the rest: {said}. {who}".strip() if said else ""


@dataclass(frozen=True, kw_only=True)
class RestPlan:
    """The whole of ``data/incomplete.toml``; ``machine``: reason → last outcomes with which a machine may try again."""

    machine: Mapping[str, frozenset[str]]
    try_after: tuple[timedelta, ...]
    away: timedelta
    away_at_most: timedelta
    lease: timedelta

    def may_try(self, reason: str, last: str) -> bool:
        """Whether a machine may try what stopped for ``reason``, its failed operation's last request having come to ``last``."""
        return last in self.machine.get(reason.replace("-", "_"), frozenset())

    def wait(self, tries: int) -> timedelta | None:
        """Return how long after the failure the next try is, after ``tries`` (count); ``None``: no more."""
        return self.try_after[tries] if tries < len(self.try_after) else None


def rest_plan_from(data: Mapping[str, Any]) -> RestPlan:
    """Return the plan that a TOML document holds; raises ``ValueError`` naming what cannot be, ``KeyError`` what is missing."""
    minutes = data["try_after_minutes"]
    if not minutes or minutes != sorted(minutes) or any(item < 1 for item in minutes):
        raise ValueError("try_after_minutes: whole minutes, each as long as the one before or longer")
    for reason, outcomes in data["machine"].items():
        unknown = set(outcomes) - _OUTCOMES
        if unknown:
            raise ValueError(f"machine.{reason}: {', '.join(sorted(unknown))} is no outcome")
    return RestPlan(
        machine={reason: frozenset(outcomes) for reason, outcomes in data["machine"].items()},
        try_after=tuple(timedelta(minutes=item) for item in minutes),
        away=timedelta(minutes=data["away_minutes"]),
        away_at_most=timedelta(hours=data["away_hours"]),
        lease=timedelta(seconds=data["lease_seconds"]),
    )


@cache
def rest_plan() -> RestPlan:
    """Return the plan that this product brings."""
    return rest_plan_from(tomllib.loads((files("canonical") / "data" / "incomplete.toml").read_text("utf-8")))


def role_of(operation: Operation) -> Role:
    """Return what ``operation`` is to its command."""
    if operation.resource_type == PROVENANCE:
        return Role.PROVENANCE
    return Role.OWN if operation.is_primary else Role.PART


def order_allows(command: Command, rest: Sequence[Operation]) -> bool:
    """Whether ``rest`` may be sent later than what is in the chart, as the command's action declares."""
    return all(role_of(operation) in command.spec.rest_may_follow for operation in rest)


@dataclass(frozen=True, kw_only=True)
class IncompleteWrite:
    """A command of which a part is in the chart, as it stood at ``now``.

    ``operations`` are all of it, as journaled; ``since`` is when it stopped, for ``reason`` (both times UTC); ``tries`` counts
    how often a machine sent the rest; ``last`` is what the failed operation's last request came to, or ``NONE``; ``left_planned``
    are the numbers of operations that never left.
    """

    command: Command
    operations: tuple[Operation, ...]
    since: datetime
    now: datetime
    reason: str
    tries: int
    last: str
    left_planned: frozenset[int]

    @property
    def age(self) -> timedelta:
        """How long it has stood like this."""
        return self.now - self.since


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """That a person must decide: ``why``, and in a sentence ``who`` changed what stands (empty: not known, or nobody did)."""

    why: Left
    who: str = ""


def left_unread(write: IncompleteWrite, plan: RestPlan) -> Leaving | None:
    """Return why ``write`` is a person's whatever the chart says; ``None``: the chart must be read first."""
    rest = [
        item
        for item in write.operations
        if item.seq in {one.seq for one in write.command.operations if not one.in_chart}
    ]
    if not plan.may_try(write.reason, write.last):
        return Leaving(why=Left.CAUSE)
    if not order_allows(write.command, rest):
        return Leaving(why=Left.ORDER)
    if plan.wait(write.tries) is None:
        return Leaving(why=Left.TRIED)
    return None


class IncompleteWrites(Protocol):
    """What finishing incomplete commands asks of the store. Thread-safe; each method is one commit.

    Each may raise ``StoreUnavailableError``. What is moved or left is guarded by state and event number: once, by whoever comes
    first.
    """

    def due(self, *, limit: int) -> list[UUID]:
        """Return the commands to look at now, those longest due first; not where the EHR is known to be away."""
        ...

    def take(self, command: UUID, *, lease: timedelta) -> IncompleteWrite | None:
        """Take one that is due and that no person has in hand (else ``None``); it is due again after ``lease``."""
        ...

    def send_rest(self, write: IncompleteWrite) -> bool:
        """Make it ready, so that its lane sends the rest; ``False``: something else happened to it."""
        ...

    def leave(self, write: IncompleteWrite, leaving: Leaving) -> bool:
        """Note for its case why no machine sends the rest; it is not looked at again until a person let it be sent."""
        ...

    def postpone(self, write: IncompleteWrite, wait: timedelta) -> None:
        """Look again after ``wait``."""
        ...
