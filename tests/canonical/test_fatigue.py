"""What the owners of policies are told: each notice at its threshold and not below it, in words, naming the owner."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canonical.case_views import Effort
from canonical.fatigue import asks_for_nothing, budget_of, over_budget, owner_of, rubber_stamps
from canonical.policy import PolicySet
from canonical.review_figures import Habit, Pace
from config.policy_files import read_policies


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    return read_policies()


def effort(per_1000: float | None, budget: float | None = 20.0) -> Effort:
    return Effort(
        connection="north",
        action_type="VitalReading",
        closed=1,
        minutes_to_first_look=None,
        minutes_to_decision=None,
        changed=0,
        reopened=0,
        moot=0,
        overturned=0,
        per_1000_commands=per_1000,
        budget=budget,
    )


@pytest.mark.parametrize(("per_1000", "told"), [(None, 0), (20.0, 0), (20.1, 1)])
def test_more_cases_than_the_budget_are_told(policies: PolicySet, per_1000: float | None, told: int) -> None:
    assert len(list(over_budget(policies, [effort(per_1000)]))) == told
    assert list(over_budget(policies, [effort(per_1000, None)])) == []


def test_the_sentence_names_numbers_connection_and_owner(policies: PolicySet) -> None:
    (said,) = over_budget(policies, [effort(41.25)])
    owner = owner_of(policies, "VitalReading")
    assert said == (
        f"Vital reading on north: 41.2 cases in 1000 commands, and 20.0 are meant. For the owner of its policy: {owner}."
    )


@pytest.mark.parametrize(("alike", "decisions", "told"), [(95, 100, 1), (94, 100, 0), (95, 99, 0), (100, 100, 1)])
def test_what_is_always_decided_alike_is_told(policies: PolicySet, alike: int, decisions: int, told: int) -> None:
    habit = Habit(
        action_type="VitalReading",
        kind="implausible_value",
        verb="reject",
        reason="app-will-resend",
        alike=alike,
        decisions=decisions,
    )
    said = list(asks_for_nothing(policies, [habit]))
    assert len(said) == told
    assert all(
        "reject, because app will resend" in line and owner_of(policies, "VitalReading") in line for line in said
    )
    assert all("because" not in line for line in asks_for_nothing(policies, [replace(habit, reason="")]))


@pytest.mark.parametrize(("seconds", "decisions", "told"), [(4.9, 20, 1), (5.0, 20, 0), (4.9, 19, 0)])
def test_what_is_decided_faster_than_it_can_be_read_is_told(
    policies: PolicySet, seconds: float, decisions: int, told: int
) -> None:
    pace = Pace(action_type="AllergyUpdate", seconds=seconds, decisions=decisions)
    said = list(rubber_stamps(policies, [pace]))
    assert len(said) == told
    assert all("Allergy update: half of the last 20 decisions took less than 4.9 seconds" in line for line in said)


def test_an_action_without_a_row_has_the_queues_owner_and_budget(policies: PolicySet) -> None:
    none = PolicySet(actions={}, queue=policies.queue, high_alert=policies.high_alert)
    assert owner_of(none, "VitalReading") == policies.queue.owner
    assert budget_of(none, "VitalReading") == policies.queue.budget_per_1000
    own = replace(policies.action("VitalReading"), budget=3.0, owner="a nurse")
    some = PolicySet(actions={"VitalReading": own}, queue=policies.queue, high_alert=policies.high_alert)
    assert (owner_of(some, "VitalReading"), budget_of(some, "VitalReading")) == ("a nurse", 3.0)
