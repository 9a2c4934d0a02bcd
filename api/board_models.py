"""The status board as the case door serves it: the numbers of the board page. Counts, no content.

The answer repeats :class:`canonical.case_views.BoardView` member by member; a test keeps the two equal.
"""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from api.case_models import named
from api.models import Document


class KindCountDocument(Document):
    """Open cases of a kind, said in words."""

    kind: str
    cases: int


class AgeDocument(Document):
    """Open cases of one age, by severity from 1 (now) to 4."""

    age: str
    by_severity: tuple[int, int, int, int]


class ConflictRateDocument(Document):
    """Commands that a connection was sent on one UTC day, and how many of them met a conflict."""

    connection: str
    day: str
    conflicts: int
    commands: int


class OutcomeDocument(Document):
    """Commands of a connection by public status."""

    connection: str
    status: str
    commands: int


class EffortDocument(Document):
    """What reviewing cost, of cases closed lately, by connection and action; minutes are medians."""

    connection: str
    action_type: str
    closed: int
    minutes_to_first_look: float | None = None
    minutes_to_decision: float | None = None
    changed: int
    reopened: int
    moot: int
    overturned: int
    per_1000_commands: float | None = None
    budget: float | None = None


class BoardDocument(Document):
    """The figures of the queue as of ``now``; ``oldest`` is how long the oldest open case waits (ISO 8601 duration)."""

    now: datetime
    open: int
    overdue: int
    oldest: timedelta | None = None
    by_kind: tuple[Annotated[KindCountDocument, named("kind", "cases")], ...]
    ages: tuple[Annotated[AgeDocument, named("age", "by_severity")], ...]
    conflict_rates: tuple[Annotated[ConflictRateDocument, named("connection", "day", "conflicts", "commands")], ...]
    outcomes: tuple[Annotated[OutcomeDocument, named("connection", "status", "commands")], ...]
    effort: tuple[EffortDocument, ...]
    notices: tuple[str, ...] = Field(description="What the owner of the policy should look at.")
