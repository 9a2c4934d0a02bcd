"""How long a person may take, who is told when they take longer, and when a rule asks too often: data on the queue, no cases."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Severities of a case: 1 is now.
SEVERITIES = (1, 2, 3, 4)
SIGNIFICANCES = ("low", "medium", "high")
ROLLBACKS = ("takes_back", "changes_back", "by_hand")
_Minutes = Annotated[int, Field(ge=1)]


class Row(BaseModel):
    """Base of every row: frozen, and what nobody declared is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Level(Row):
    """What is due for one severity: minutes to the decision, then to each further level; ``pages``: somebody is alerted.

    ``acknowledge_minutes``: so long an app may take to confirm that its author saw what ended other than in the chart, or waits
    for longer than it may.
    """

    due_minutes: _Minutes
    acknowledge_minutes: _Minutes = 1440
    escalate_minutes: tuple[_Minutes, ...] = ()
    pages: bool = False


class Fatigue(Row):
    """When a rule asks for nothing, and when people only click.

    The first: ``same_of`` decisions alike without change among the last ``decisions``. The second: a median of fewer seconds
    than ``rubber_stamp_seconds`` over at least ``rubber_stamp_decisions``.
    """

    decisions: Annotated[int, Field(ge=20)] = 100
    same_of: Annotated[int, Field(ge=10)] = 95
    rubber_stamp_seconds: Annotated[float, Field(gt=0)] = 5.0
    rubber_stamp_decisions: Annotated[int, Field(ge=5)] = 20

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.same_of > self.decisions:
            raise ValueError("same_of must not be more than decisions")
        return self


class Merge(Row):
    """One rung on which a machine may merge what does not overlap: of a ``significance``, with such a way back."""

    significance: Annotated[str, Field(pattern="^(low|medium|high)$")]
    rollback: Annotated[str, Field(pattern="^(takes_back|changes_back|by_hand)$")]


class QueuePolicy(Row):
    """The whole of ``queue.toml``."""

    owner: Annotated[str, Field(min_length=1)]
    reviewed: date
    next_review: date
    note: str = ""
    claim_minutes: _Minutes = 15
    round_limit: Annotated[int, Field(ge=1, le=20)] = 5
    author_answer_minutes: _Minutes = 240
    budget_per_1000: Annotated[float, Field(gt=0)] = 20.0
    severity: dict[int, Level]
    fatigue: Fatigue = Fatigue()
    merge: tuple[Merge, ...] = ()

    @model_validator(mode="after")
    def _every_severity(self) -> Self:
        if tuple(sorted(self.severity)) != SEVERITIES:
            raise ValueError("severity: a row for each of 1, 2, 3 and 4")
        due = [self.severity[number].due_minutes for number in SEVERITIES]
        if due != sorted(due):
            raise ValueError("severity: what is more severe is due earlier")
        confirmed = [self.severity[number].acknowledge_minutes for number in SEVERITIES]
        if confirmed != sorted(confirmed):
            raise ValueError("severity: what is more severe is acknowledged earlier")
        return self

    def due_within(self, severity: int) -> timedelta:
        """Return how long a case of ``severity`` (1 to 4) may wait for a decision."""
        return timedelta(minutes=self.severity[severity].due_minutes)

    def acknowledged_within(self, severity: int) -> timedelta:
        """Return how long an app may take to confirm that its author saw what became of a command of ``severity`` (1 to 4)."""
        return timedelta(minutes=self.severity[severity].acknowledge_minutes)

    def escalation(self, severity: int, level: int) -> timedelta | None:
        """Return how long a case waits at ``level`` (0: where it was opened) before it goes up; ``None``: no further."""
        steps = (self.severity[severity].due_minutes, *self.severity[severity].escalate_minutes)
        return timedelta(minutes=steps[level]) if 0 <= level < len(steps) else None

    @property
    def paging(self) -> frozenset[int]:
        """Severities of which somebody is alerted when a case is late."""
        return frozenset(severity for severity, level in self.severity.items() if level.pages)

    @property
    def claim(self) -> timedelta:
        """How long a claim holds before a colleague may take the case."""
        return timedelta(minutes=self.claim_minutes)

    @property
    def author_answer(self) -> timedelta:
        """How long an author who was asked has to answer before the pool decides."""
        return timedelta(minutes=self.author_answer_minutes)
