from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.drift_plan import drift_plan, plan_from
from config.policy_files import read_policies

PROVEN_AT = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
PLAN: dict[str, Any] = {
    "looks": [{"after_minutes": 15, "part": 0.5}, {"after_minutes": 60, "part": 0.25}],
    "high_risk": ["AllergyUpdate"],
    "looks_per_minute": 30,
    "again_minutes": 30,
    "lease_minutes": 10,
    "incident_writes": 20,
    "incident_minutes": 60,
}


def test_every_action_whose_entries_policy_protects_is_of_high_risk() -> None:
    policies = read_policies()
    assert drift_plan().high_risk == {name for name in policies.actions if policies.action(name).protected}


def test_the_younger_a_write_the_likelier_it_is_looked_at() -> None:
    parts = [step.part for step in drift_plan().steps]
    assert parts == sorted(parts, reverse=True)
    assert (drift_plan().incident_writes, drift_plan().incident_within) == (20, timedelta(hours=1))


@given(st.uuids(), st.integers(0, 1))
def test_what_is_of_high_risk_is_looked_at_each_time_and_a_draw_never_changes(command: UUID, step: int) -> None:
    plan = plan_from(PLAN)
    assert plan.is_sampled(command, step, high_risk=True)
    assert plan.is_sampled(command, step, high_risk=False) == plan.is_sampled(command, step, high_risk=False)


@pytest.mark.parametrize(("step", "part"), [(0, 0.5), (1, 0.25)])
def test_as_many_are_drawn_as_the_plan_says(step: int, part: float) -> None:
    plan = plan_from(PLAN)
    drawn = sum(plan.is_sampled(uuid4(), step, high_risk=False) for _ in range(4000))
    assert abs(drawn / 4000 - part) < 0.05


def test_steps_that_are_past_are_left_out_and_after_the_last_there_is_none() -> None:
    plan = plan_from(PLAN)
    soon = PROVEN_AT + timedelta(minutes=20)
    assert plan.following(0, proven_at=PROVEN_AT, now=soon) == (1, PROVEN_AT + timedelta(minutes=60))
    assert plan.following(0, proven_at=PROVEN_AT, now=PROVEN_AT + timedelta(minutes=60)) is None
    assert plan.following(1, proven_at=PROVEN_AT, now=soon) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"looks": []}, "looks"),
        ({"looks": [{"after_minutes": 60, "part": 0.5}, {"after_minutes": 15, "part": 0.5}]}, "looks"),
        ({"looks": [{"after_minutes": 15, "part": 0.5}, {"after_minutes": 15, "part": 0.5}]}, "looks"),
        ({"looks": [{"after_minutes": 15, "part": 1.5}]}, "part"),
        ({"looks_per_minute": 0}, "looks_per_minute"),
        ({"incident_writes": -1}, "incident_writes"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        plan_from(PLAN | change)
