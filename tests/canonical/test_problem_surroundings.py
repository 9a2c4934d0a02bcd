"""What the chart's problems say about one to come."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.actions.problem_update import SPEC
from tests.canonical.checked import parsed
from tests.factories import SNOMED_CT, Json, concept, target_json
from tests.list_factories import ICD_10_CM, problem_code, problem_update_json

ENCOUNTER = {"reference": "Encounter/e7"}


def entry(**over: Any) -> Json:
    """Active type 2 diabetes on the problem list, as the adapter tells of it."""
    members = {
        "reference": "Condition/c9",
        "code": concept(SNOMED_CT, "44054006", "Diabetes mellitus type II"),
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "category": "problem-list-item",
    }
    return {name: value for name, value in (members | over).items() if value is not None}


def kinds(action: Json, *entries: Json, **envelope: Any) -> list[str]:
    assert SPEC.surroundings is not None
    found = SPEC.surroundings.judge(parsed(action, **envelope), entries)
    assert all(finding.holds for finding in found)
    return [finding.kind for finding in found]


def test_an_empty_list_holds_nothing_up() -> None:
    assert kinds(problem_update_json()) == []


ICD_ONLY = problem_code(coding=[{"system": ICD_10_CM, "code": "E11.9"}], text="sugar")
BOTH = concept(SNOMED_CT, "44054006", "x", coding=[*problem_code()["coding"]])
SAME: list[tuple[Json, Json, bool]] = [
    (problem_code(), entry()["code"], True),
    (ICD_ONLY, BOTH, True),
    (problem_code(), ICD_ONLY, True),
    (ICD_ONLY, {"text": "Sugar"}, True),
    (ICD_ONLY, entry()["code"], False),
    (problem_code(), concept(SNOMED_CT, "46635009", "Type 1 diabetes"), False),
]


@pytest.mark.parametrize(("ours", "theirs", "same"), SAME, ids=[str(at) for at, _ in enumerate(SAME)])
@pytest.mark.parametrize("operation", ["add", "reactivate", "update"])
def test_the_same_concept_active_already_by_either_code_system_is_a_duplicate(
    operation: str, ours: Json, theirs: Json, *, same: bool
) -> None:
    action = problem_update_json(operation, code=ours)
    assert kinds(action, entry(code=theirs)) == (["possible_duplicate"] if same else [])


@pytest.mark.parametrize(
    "over",
    [
        {"clinicalStatus": "inactive"},
        {"clinicalStatus": "resolved"},
        {"clinicalStatus": "remission"},
        {"verificationStatus": "refuted"},
        {"verificationStatus": "entered-in-error"},
    ],
    ids=repr,
)
def test_what_is_over_or_was_never_so_is_no_duplicate(over: Json) -> None:
    assert kinds(problem_update_json(), entry(**over)) == []


@pytest.mark.parametrize("status", ["active", "recurrence", "relapse", None])
def test_what_came_back_is_active(status: str | None) -> None:
    assert kinds(problem_update_json(), entry(clinicalStatus=status)) == ["possible_duplicate"]


def test_each_list_has_its_own_entries() -> None:
    diagnosis = problem_update_json(category="encounter-diagnosis")
    assert kinds(diagnosis, entry(), encounter=ENCOUNTER) == []
    assert kinds(problem_update_json(), entry(category="encounter-diagnosis")) == []
    assert kinds(problem_update_json(), entry(category=[{"text": "own list"}])) == ["possible_duplicate"]
    assert kinds(problem_update_json(), entry(category=None)) == ["possible_duplicate"]


def test_the_same_diagnosis_belongs_to_each_encounter_once() -> None:
    diagnosis = problem_update_json(category="encounter-diagnosis")
    there = entry(category="encounter-diagnosis", encounter=ENCOUNTER)
    assert kinds(diagnosis, there, encounter=ENCOUNTER) == ["possible_duplicate"]
    assert kinds(diagnosis, {**there, "encounter": {"reference": "Encounter/e1"}}, encounter=ENCOUNTER) == []


def test_an_entry_is_no_duplicate_of_itself() -> None:
    action = problem_update_json("update", code=problem_code())
    own = entry(reference="Condition/c3")
    assert kinds(action, own) == []
    assert kinds(action, own, entry()) == ["possible_duplicate"]
    target = {name: value for name, value in target_json(action).items() if name != "reference"}
    by_command = {**target, "command": "11111111-1111-4111-8111-111111111111"}
    assert kinds(action, own, target=by_command) == []
    assert kinds(problem_update_json("update"), entry()) == []
