"""What a policy file may say; what would let a machine overwrite something, or would open to nobody, is refused by name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from canonical.action import action_specs
from canonical.policy import ALWAYS_A_PERSON, Direction, Need, Owner, Rule
from canonical.policy_rows import PolicyFile, objections, resolve
from canonical.reviewer import Licence


def file(action: str = "MedicationChange", **over: Any) -> PolicyFile:
    members = {"action": action, "owner": "somebody", "reviewed": "2026-03-02", "next_review": "2027-03-02"}
    return PolicyFile.model_validate(members | over)


def refused(action: str = "MedicationChange", **over: Any) -> str:
    return "; ".join(objections(action_specs()[action], file(action, **over)))


def test_a_row_says_only_what_differs_from_the_specification() -> None:
    spec = action_specs()["MedicationChange"]
    said = file(
        reasons={"newer": "The chart is newer"},
        groups={"dose": {"rule": "exact_match", "deadline_hours": {"1": 0.5}}},
        operations={"stop": {"whole_entry": True, "approval_hours": 2, "reasons": ["newer"]}},
    )
    assert objections(spec, said) == []
    policy = resolve(spec, said)
    dose = policy.group("dose")
    assert (dose.rule, dose.significance, dose.owner) == (Rule.EXACT_MATCH, "high", Owner.AUTHOR)
    assert dose.deadline == {1: timedelta(minutes=30)}
    assert policy.group("note").rule is Rule.APPEND
    stop = policy.operation("stop")
    assert (stop.approval, stop.whole_entry, stop.reasons) == (
        timedelta(hours=2),
        True,
        {"newer": "The chart is newer"},
    )
    assert stop.needs_person is Need.UNLESS_AUTHORED_BY
    assert policy.operation("hold").approval == timedelta(hours=24)


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"groups": {"pharmacy": {}}}, "groups.pharmacy"),
        ({"operations": {"prescribe": {}}}, "operations.prescribe"),
        ({"lowering": {"risk": ["high", "low"]}}, "lowering.risk"),
        ({"groups": {"dose": {"rule": "append"}}}, "groups.dose.rule"),
        ({"groups": {"dose": {"rule": "merge", "owner": "not_ours"}}}, "groups.dose.rule"),
        ({"groups": {"dose": {"rule": "merge", "owner": "chart"}}}, "groups.dose.rule"),
        ({"groups": {"dose": {"significance": "low"}}}, "groups.dose.significance"),
        ({"groups": {"dose": {"decide": ["operations"]}}}, "groups.dose.decide"),
        ({"groups": {"subject": {"owner": "author"}}}, "groups.subject.owner"),
        ({"protected": False}, "protected"),
        ({"next_review": "2026-03-02"}, "next_review"),
        ({"operations": {"stop": {"unless_authored_by": ["operations"]}}}, "operations.stop"),
        ({"operations": {"stop": {"needs_person": "never", "unless_authored_by": ["nurse"]}}}, "unless_authored_by"),
        ({"operations": {"start": {"needs_person": "unless_authored_by"}}}, "operations.start.unless_authored_by"),
        ({"operations": {"retract": {"whole_entry": False}}}, "operations.retract.whole_entry"),
        ({"operations": {"stop": {"reasons": ["unheard_of"]}}}, "operations.stop.reasons"),
    ],
    ids=repr,
)
def test_a_row_that_may_not_be_used_is_named(over: dict[str, Any], named: str) -> None:
    assert named in refused(**over)


@pytest.mark.parametrize(("action", "operation"), sorted(ALWAYS_A_PERSON))
@pytest.mark.parametrize(
    "over",
    [{"needs_person": "never"}, {"needs_person": "unless_authored_by", "unless_authored_by": ["prescriber"]}],
    ids=lambda over: over["needs_person"],
)
def test_no_file_hands_to_the_machine_what_takes_a_warning_away(
    action: str, operation: str, over: dict[str, Any]
) -> None:
    assert f"operations.{operation}.needs_person" in refused(action, operations={operation: over})
    assert f"operations.{operation}.direction" in refused(action, operations={operation: {"direction": "adds"}})


@pytest.mark.parametrize(
    "over",
    [
        {"groups": {"dose": {"rule": "overwrite"}}},
        {"groups": {"dose": {"decide": ["janitor"]}}},
        {"groups": {"dose": {"decide": []}}},
        {"groups": {"dose": {"colour": "red"}}},
        {"groups": {"dose": {"deadline_hours": {"5": 1}}}},
        {"operations": {"stop": {"direction": "sideways"}}},
        {"operations": {"stop": {"approval_hours": 0}}},
        {"budget_per_1000": 0},
        {"owner": ""},
    ],
    ids=repr,
)
def test_a_word_that_no_row_knows_is_refused(over: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        file(**over)


def test_a_field_that_stands_in_no_group_may_have_a_row_of_its_own() -> None:
    said = file("VitalReading", groups={"interpretation": {"owner": "not_ours"}})
    assert objections(action_specs()["VitalReading"], said) == []
    assert resolve(action_specs()["VitalReading"], said).group("interpretation").owner is Owner.NOT_OURS


def test_an_operation_of_which_a_file_says_that_nobody_is_needed_names_nobody() -> None:
    said = file(operations={"stop": {"needs_person": "never", "direction": "reduces"}})
    assert objections(action_specs()["MedicationChange"], said) == []
    stop = resolve(action_specs()["MedicationChange"], said).operation("stop")
    assert (stop.needs_person, stop.unless_authored_by, stop.direction) == (Need.NEVER, frozenset(), Direction.REDUCES)
    assert Licence.OPERATIONS not in stop.unless_authored_by
