"""Which failures a machine may try again, how often, and which rest may follow: as data, whole, and nothing by default."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from importlib.resources import files

import pytest

from canonical.action import action_specs
from canonical.incomplete import NONE, WORDS, Left, left_in_words, rest_plan, rest_plan_from, role_of
from canonical.lifecycle import State, Trigger, next_state
from canonical.outcome import TAKEN, Outcome
from canonical.ports import Interaction, Operation
from canonical.rest_order import Role
from canonical.settling import REFUSALS

DATA = tomllib.loads((files("canonical") / "data" / "incomplete.toml").read_text("utf-8"))
PERSONS = [
    "accepted-for-review",
    "not-allowed-any-more",
    "deadline-passed",
    "consent-revoked",
    "approval-lapsed",
    "conflict",
]


def test_the_numbers_have_an_owner_and_a_date() -> None:
    assert DATA["owner"]
    assert isinstance(DATA["reviewed"], date)


@pytest.mark.parametrize(
    "reason", [*PERSONS, *REFUSALS.values(), "poison", "possible_duplicate", "predecessor_ended", ""]
)
@pytest.mark.parametrize("last", [*Outcome, NONE, "not_sent"])
def test_what_does_not_pass_by_itself_is_a_person_s_whatever_came_last(reason: str, last: str) -> None:
    assert not rest_plan().may_try(reason, last)


@pytest.mark.parametrize("last", [*REFUSALS, *TAKEN, Outcome.CONFLICT])
@pytest.mark.parametrize("reason", sorted(DATA["machine"]))
def test_what_the_ehr_refused_or_took_is_a_person_s_for_whatever_reason_it_stopped(reason: str, last: Outcome) -> None:
    assert not rest_plan().may_try(reason, last.value)


def test_what_was_locked_for_too_long_may_be_tried_again() -> None:
    assert rest_plan().may_try("attempts-exhausted", "locked")
    assert rest_plan().may_try("not_readable", NONE)


def test_tries_grow_apart_and_end() -> None:
    waits = [rest_plan().wait(tries) for tries in range(len(rest_plan().try_after) + 1)]
    assert waits[0] is not None
    assert waits[0] > timedelta(0)
    assert waits[-1] is None
    assert list(rest_plan().try_after) == sorted(rest_plan().try_after)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"try_after_minutes": []}, "try_after_minutes"),
        ({"try_after_minutes": [60, 5]}, "try_after_minutes"),
        ({"try_after_minutes": [0]}, "try_after_minutes"),
        ({"machine": {"attempts_exhausted": ["lokced"]}}, "lokced"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        rest_plan_from(DATA | wrong)


def operation(type: str = "Observation", *, is_primary: bool = True) -> Operation:
    interaction = Interaction.CREATE
    return Operation(
        interaction=interaction, resource_type=type, body=b"{}", mark="m", mapping_version="1", is_primary=is_primary
    )


def test_an_operation_is_a_part_the_command_s_own_entry_or_a_provenance() -> None:
    found = [
        role_of(operation()),
        role_of(operation(is_primary=False)),
        role_of(operation("Provenance", is_primary=False)),
    ]
    assert found == [Role.OWN, Role.PART, Role.PROVENANCE]


def test_by_default_only_a_provenance_may_follow_and_a_reviewed_list_never_does() -> None:
    more = {
        name: spec.rest_may_follow for name, spec in action_specs().items() if spec.rest_may_follow != {Role.PROVENANCE}
    }
    assert sorted(more) == ["CareGapClosure", "ClinicalNote", "MedicationReconciliation"]
    assert Role.OWN not in more["MedicationReconciliation"]
    assert all(Role.PROVENANCE in roles for roles in more.values())


def test_a_machine_s_move_has_a_trigger_of_its_own_and_only_from_incomplete() -> None:
    assert next_state(State.INCOMPLETE, Trigger.REST_REPLAYED) is State.READY


@pytest.mark.parametrize("left", list(Left))
def test_every_reason_is_told_in_words(left: Left) -> None:
    assert (
        left_in_words(left, "Changed by Dr. Ames.") == f"No machine sends the rest: {WORDS[left]}. Changed by Dr. Ames."
    )


def test_what_is_no_reason_says_nothing() -> None:
    assert left_in_words("", "") == ""
