"""The port and the judgement of proof: is what we wrote in the chart, as read back? No EHR is asked here, nothing stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from canonical.command import Command
from canonical.ports import Operation, Timings

#: Between two looks for a write that is not visible yet: at least, at most, and as a part of its age.
SOONEST, LATEST, PART = timedelta(milliseconds=200), timedelta(minutes=1), 0.5


@dataclass(frozen=True, kw_only=True)
class Written:
    """One operation that the EHR says it took: where it went and, if the EHR told, as which opaque version."""

    operation: Operation
    reference: str | None
    version: str | None


@dataclass(frozen=True, kw_only=True)
class Unproven:
    """A command in ``applied``, as it stood at ``now`` (the database's clock, UTC); ``since`` is when it got there."""

    command: Command
    written: tuple[Written, ...]
    since: datetime
    now: datetime

    @property
    def age(self) -> timedelta:
        """How long ago the EHR said that it wrote it."""
        return self.now - self.since


class Finding(Enum):
    """What one read-back of one operation showed."""

    #: The version we wrote says what we meant, or the chart still does.
    EQUAL = auto()
    #: The version we wrote says something else.
    DIFFERENT = auto()
    #: Not there, or another version than ours: the read may be behind the write.
    NOT_SEEN = auto()
    #: The EHR refuses to show it, or what it shows cannot be compared.
    UNREADABLE = auto()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A finding with its facts: ``fields`` that differ (canonical names, no values) and the ``version`` compared."""

    finding: Finding
    fields: tuple[str, ...] = ()
    version: str | None = None


class Verdict(Enum):
    """What follows for the command."""

    PROVEN = auto()
    LATER = auto()
    FAILED = auto()


def judge(evidence: list[Evidence], *, age: timedelta, timings: Timings) -> Verdict:
    """Return what follows from the evidence about every operation of a command that was applied ``age`` ago.

    What was not seen or not readable is looked for again until the EHR's slowest commit and search lag have passed; a
    version of ours that says something else never gets better by waiting.
    """
    findings = {item.finding for item in evidence}
    if findings == {Finding.EQUAL}:
        return Verdict.PROVEN
    if Finding.DIFFERENT in findings:
        return Verdict.FAILED
    return Verdict.LATER if age < lag_budget(timings) else Verdict.FAILED


def lag_budget(timings: Timings) -> timedelta:
    """Return how long a write may stay invisible to a read by id before that is a failure."""
    return timings.slowest_commit + timings.search_lag + timings.margin


def next_look(age: timedelta) -> timedelta:
    """Return how long to wait before looking again for a write of that ``age``: the older, the longer."""
    return min(max(age * PART, SOONEST), LATEST)


class ProofStore(Protocol):
    """What verifying asks of the store; every method raises ``StoreUnavailableError`` when it cannot be reached.

    Proof is not under the lane's lock: each move is guarded by state and event number, so it is made once by whoever
    comes first, and by nobody once something else happened to the command.
    """

    def look(self, command: UUID) -> Unproven | None:
        """Return the command with what it wrote; ``None``: it is not waiting for proof."""
        ...

    def prove(self, unproven: Unproven, evidence: list[Evidence]) -> bool:
        """Move it to ``verified`` and, if it takes another one back, that one to ``compensated``, in one commit."""
        ...

    def fail(self, unproven: Unproven, evidence: list[Evidence]) -> bool:
        """Move it to ``in_review`` and open a case."""
        ...

    def postpone(self, unproven: Unproven, wait: timedelta) -> None:
        """Look again after ``wait``."""
        ...

    def has_followers(self, lane_id: int) -> bool:
        """Return whether the lane has something ready, that may have waited for this proof."""
        ...
