import re
from typing import Any

import pytest

from adapters.r4.validity import check_valid, problems
from canonical.errors import InvalidPayloadError
from tests.adapters.r4.lists import built, status
from tests.adapters.r4.test_allergy_intolerance import FULL as ALLERGY
from tests.adapters.r4.test_condition import FULL as PROBLEM

ERROR = {"AllergyIntolerance": "allergyintolerance-verification", "Condition": "condition-ver-status"}
BROKEN: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (ALLERGY, {"clinicalStatus": None}, "AllergyIntolerance: ait-1"),
    (
        ALLERGY,
        {"verificationStatus": status(ERROR["AllergyIntolerance"], "entered-in-error")},
        "AllergyIntolerance: ait-2",
    ),
    (PROBLEM, {"stage": [{"type": {"text": "x"}}]}, "Condition: con-1"),
    (PROBLEM, {"evidence": [{"id": "e1"}]}, "Condition: con-2"),
    (PROBLEM, {"clinicalStatus": None}, "Condition: con-3"),
    (PROBLEM, {"abatementDateTime": "2020"}, "Condition: con-4"),
    (PROBLEM, {"verificationStatus": status(ERROR["Condition"], "entered-in-error")}, "Condition: con-5"),
    (ALLERGY, {"type": "side-effect"}, "AllergyIntolerance.type: code-invalid"),
    (ALLERGY, {"category": ["food", "drug"]}, "AllergyIntolerance.category: code-invalid"),
    (ALLERGY, {"criticality": "severe"}, "AllergyIntolerance.criticality: code-invalid"),
    (
        ALLERGY,
        {"reaction": [{"manifestation": [{"text": "x"}], "severity": "high"}]},
        "AllergyIntolerance.reaction[0].severity: code-invalid",
    ),
    (ALLERGY, {"clinicalStatus": {"text": "active"}}, "AllergyIntolerance.clinicalStatus: code-invalid"),
    (
        ALLERGY,
        {"clinicalStatus": status("condition-clinical", "active")},
        "AllergyIntolerance.clinicalStatus: code-invalid",
    ),
    (
        ALLERGY,
        {"verificationStatus": status(ERROR["AllergyIntolerance"], "presumed")},
        "AllergyIntolerance.verificationStatus: code-invalid",
    ),
    (PROBLEM, {"clinicalStatus": status("condition-clinical", "unknown")}, "Condition.clinicalStatus: code-invalid"),
    (
        PROBLEM,
        {"verificationStatus": status(ERROR["Condition"], "active")},
        "Condition.verificationStatus: code-invalid",
    ),
    (ALLERGY, {"status": "active"}, "AllergyIntolerance.status: code-invalid"),
]


@pytest.mark.parametrize(("action", "over", "problem"), BROKEN, ids=[f"{row[2]}{at}" for at, row in enumerate(BROKEN)])
def test_what_breaks_a_rule_of_its_type_is_named(action: dict[str, Any], over: dict[str, Any], problem: str) -> None:
    whole = {name: value for name, value in {**built(action), **over}.items() if value is not None}
    assert problem in problems(whole)
    with pytest.raises(InvalidPayloadError, match=re.escape(problem)):
        check_valid(whole)
    check_valid(whole, before=whole)


@pytest.mark.parametrize("odd", [None, "x", 7, [7], [{"coding": "x"}], {"coding": [7]}], ids=repr)
@pytest.mark.parametrize("element", ["category", "stage", "evidence", "type", "criticality"])
def test_what_a_chart_has_wrong_in_shape_is_told_and_never_stumbled_over(element: str, odd: Any) -> None:
    for action in (ALLERGY, PROBLEM):
        assert isinstance(problems({**built(action), element: odd}), frozenset)


@pytest.mark.parametrize("category", ["encounter-diagnosis", "health-concern"])
def test_only_the_problem_list_asks_for_a_clinical_status(category: str) -> None:
    whole = built({**PROBLEM, "category": category}, encounter={"reference": "Encounter/e7"})
    del whole["clinicalStatus"]
    assert problems(whole) == frozenset()
