"""The figures of a synthetic queue as its board shows them."""

# mypy: disable-error-code="no-untyped-call"
# factory-boy's declarations are untyped.

from __future__ import annotations

from datetime import timedelta

from factory.base import Factory

from canonical.case_views import BoardView, Effort
from canonical.status import Status
from tests.factories import NOW


class BoardViewFactory(Factory[BoardView]):
    class Meta:
        model = BoardView

    now = NOW
    open = 37
    overdue = 3
    oldest = timedelta(hours=31)
    by_kind = (("The chart moved", 21), ("Possible duplicate", 9), ("Unmapped code", 7))
    ages = (
        ("under 1 h", (2, 5, 6, 3)),
        ("1 to 4 h", (1, 4, 3, 2)),
        ("4 to 24 h", (0, 2, 3, 4)),
        ("over 24 h", (0, 0, 1, 1)),
    )
    conflict_rates = tuple(
        (name, f"2026-03-{day:02}", (day * step) % 7, 180 + 10 * day)
        for name, step in (("north-r4", 3), ("south-r4", 5))
        for day in range(1, 11)
    )
    outcomes = (
        ("north-r4", Status.IN_CHART, 1840),
        ("north-r4", Status.NEEDS_ATTENTION, 21),
        ("north-r4", Status.NOT_WRITTEN, 38),
        ("north-r4", Status.PENDING, 12),
        ("south-r4", Status.IN_CHART, 930),
        ("south-r4", Status.TAKEN_BACK, 4),
    )
    effort = (
        Effort(
            connection="north-r4",
            action_type="MedicationChange",
            closed=41,
            minutes_to_first_look=6.5,
            minutes_to_decision=2.25,
            changed=9,
            reopened=2,
            moot=5,
            overturned=1,
            per_1000_commands=22.1,
            budget=15.0,
        ),
        Effort(
            connection="south-r4",
            action_type="VitalReading",
            closed=3,
            minutes_to_first_look=None,
            minutes_to_decision=None,
            changed=0,
            reopened=0,
            moot=3,
            overturned=0,
        ),
    )
    notices = ("Vital sign, value: decided the same way 98 times in 100. Look at its policy.",)
