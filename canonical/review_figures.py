"""The figures of the queue as read, and the port that reads them. Counts and times only; what they mean is the board's to say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from canonical.lifecycle import State


@dataclass(frozen=True, kw_only=True)
class OpenCount:
    """Open cases of one kind, severity (1-4) and age: ``band`` counts the limits asked for that they are older than."""

    kind: str
    severity: int
    band: int
    cases: int
    overdue: int
    oldest: datetime


@dataclass(frozen=True, kw_only=True)
class CommandCount:
    """Commands received on one UTC day, by what became of them."""

    connection: str
    action_type: str
    day: date
    state: State
    commands: int


@dataclass(frozen=True, kw_only=True)
class ConflictCount:
    """Commands received on one UTC day that met a conflict."""

    connection: str
    day: date
    commands: int


@dataclass(frozen=True, kw_only=True)
class ClosedCount:
    """Cases of one connection and action that were closed since; minutes are medians, ``None`` where there were none.

    ``reopened``: the chart moved during review, or the case came back after it was decided; ``moot``: closed by itself;
    ``overturned``: a second person decided otherwise than the first. ``opened`` counts those opened in the same time.
    """

    connection: str
    action_type: str
    opened: int
    closed: int
    minutes_to_first_look: float | None
    minutes_to_decision: float | None
    changed: int
    reopened: int
    moot: int
    overturned: int


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How often, among the last ``decisions`` on one kind of case of an action, the same was decided without any change."""

    action_type: str
    kind: str
    verb: str
    reason: str
    alike: int
    decisions: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds (median) from the look at the chart to the decision, over the last ``decisions`` on an action's clinical cases."""

    action_type: str
    seconds: float
    decisions: int


@dataclass(frozen=True, kw_only=True)
class Spans:
    """How far back to look, and the ages at which open cases are told apart. ``last``: decisions of one kind, counted back."""

    ages: tuple[timedelta, ...]
    outcomes: timedelta
    conflicts: timedelta
    effort: timedelta
    last: int
    conflict_kinds: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class QueueFigures:
    """All figures of one tenant as of one moment, ``now`` (UTC)."""

    now: datetime
    open: tuple[OpenCount, ...]
    commands: tuple[CommandCount, ...]
    conflicts: tuple[ConflictCount, ...]
    closed: tuple[ClosedCount, ...]
    habits: tuple[Habit, ...]
    paces: tuple[Pace, ...]


class ReviewFigures(Protocol):
    """Reads figures; each call scans, so whoever asks often remembers the answer."""

    def figures(self, tenant: str, spans: Spans) -> QueueFigures:
        """Return a tenant's figures; raises ``StoreUnavailableError``."""
        ...
