"""The board: how old the queue is, how often writes collide, what becomes of them, what reviewing costs. It counts nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from canonical.case_kinds import case_kind
from canonical.case_views import BoardView, Effort
from canonical.conflict import CONFLICTS
from canonical.fatigue import ENOUGH_COMMANDS, asks_for_nothing, budget_of, over_budget, rubber_stamps
from canonical.policy import PolicySet
from canonical.review_figures import QueueFigures, ReviewFigures, Spans
from canonical.reviewer import Reviewer, Right
from canonical.status import STATUS_OF, Status
from reconcile.review.desk import require
from tasks.recent import Recent

#: Open cases are told apart at these ages; the words name what lies before each, and after the last.
AGES: tuple[tuple[timedelta, str], ...] = (
    (timedelta(hours=1), "under 1 hour"),
    (timedelta(hours=4), "1 to 4 hours"),
    (timedelta(days=1), "4 to 24 hours"),
    (timedelta(days=3), "1 to 3 days"),
)
OLDEST = "over 3 days"
#: What people mean when they say that a write collided with the chart.
CONFLICT_KINDS = frozenset(kind for conflict in CONFLICTS.values() for kind in conflict.cases)
CONFLICT_DAYS, OUTCOME_DAYS = timedelta(days=14), timedelta(days=30)
#: Counting scans what is open and the last weeks; nobody decides anything on figures of this age.
LIFE = timedelta(seconds=15)
#: The first to ask for a big queue waits this long at most.
PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Board:
    """Shows the figures of a tenant's queue, as they were a few seconds ago at most."""

    figures: ReviewFigures
    policies: PolicySet
    _recent: dict[str, Recent[BoardView]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def board(self, reviewer: Reviewer) -> BoardView:
        """Return the board; raises ``ReviewError`` ``not-permitted`` and ``StoreUnavailableError``."""
        require(reviewer, Right.OVERSEE)
        tenant = reviewer.tenant
        with self._lock:
            recent = self._recent.setdefault(tenant, Recent(lambda: self.counted(tenant), life=LIFE, patience=PATIENCE))
        return recent.get()

    def counted(self, tenant: str) -> BoardView:
        """Return the board of ``tenant`` as counted now."""
        spans = Spans(
            ages=tuple(age for age, _ in AGES),
            outcomes=OUTCOME_DAYS,
            conflicts=CONFLICT_DAYS,
            effort=OUTCOME_DAYS,
            last=self.policies.queue.fatigue.decisions,
            conflict_kinds=CONFLICT_KINDS,
        )
        found = self.figures.figures(tenant, spans)
        effort = _effort(found, self.policies)
        oldest = min((row.oldest for row in found.open), default=None)
        return BoardView(
            now=found.now,
            open=sum(row.cases for row in found.open),
            overdue=sum(row.overdue for row in found.open),
            oldest=found.now - oldest if oldest is not None else None,
            by_kind=_by_kind(found),
            ages=_ages(found),
            conflict_rates=_conflict_rates(found),
            outcomes=_outcomes(found),
            effort=effort,
            notices=(
                *over_budget(self.policies, effort),
                *asks_for_nothing(self.policies, found.habits),
                *rubber_stamps(self.policies, found.paces),
            ),
        )


def _by_kind(found: QueueFigures) -> tuple[tuple[str, int], ...]:
    counts: Counter[str] = Counter()
    for row in found.open:
        counts[case_kind(row.kind).words] += row.cases
    return tuple(counts.most_common())


def _ages(found: QueueFigures) -> tuple[tuple[str, tuple[int, int, int, int]], ...]:
    labels = [*(label for _, label in AGES), OLDEST]
    counts: Counter[tuple[int, int]] = Counter()
    for row in found.open:
        counts[row.band, row.severity] += row.cases
    return tuple(
        (label, (counts[band, 1], counts[band, 2], counts[band, 3], counts[band, 4]))
        for band, label in enumerate(labels)
    )


def _conflict_rates(found: QueueFigures) -> tuple[tuple[str, str, int, int], ...]:
    """Return every day on which a connection was sent commands; of days before the span nothing is said of conflicts."""
    first = (found.now - CONFLICT_DAYS).date()
    commands: Counter[tuple[str, str]] = Counter()
    for row in found.commands:
        if row.day > first:
            commands[row.connection, row.day.isoformat()] += row.commands
    conflicts = {(row.connection, row.day.isoformat()): row.commands for row in found.conflicts}
    return tuple((*key, conflicts.get(key, 0), count) for key, count in sorted(commands.items()))


def _outcomes(found: QueueFigures) -> tuple[tuple[str, str, int], ...]:
    counts: Counter[tuple[str, Status]] = Counter()
    for row in found.commands:
        counts[row.connection, STATUS_OF[row.state]] += row.commands
    order = list(Status)
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], order.index(item[0][1])))
    return tuple((name, status.value, count) for (name, status), count in ordered)


def _effort(found: QueueFigures, policies: PolicySet) -> tuple[Effort, ...]:
    sent = _sent(found)
    rows = []
    for row in found.closed:
        commands = sent.get((row.connection, row.action_type), 0)
        rows.append(
            Effort(
                connection=row.connection,
                action_type=row.action_type,
                closed=row.closed,
                minutes_to_first_look=row.minutes_to_first_look,
                minutes_to_decision=row.minutes_to_decision,
                changed=row.changed,
                reopened=row.reopened,
                moot=row.moot,
                overturned=row.overturned,
                per_1000_commands=1000 * row.opened / commands if commands >= ENOUGH_COMMANDS else None,
                budget=budget_of(policies, row.action_type),
            )
        )
    return tuple(rows)


def _sent(found: QueueFigures) -> Mapping[tuple[str, str], int]:
    counts: Counter[tuple[str, str]] = Counter()
    for row in found.commands:
        counts[row.connection, row.action_type] += row.commands
    return counts
