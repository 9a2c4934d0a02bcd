from __future__ import annotations

import pytest

from adapters.r4 import allergy_intolerance, condition, medication_statement, observation, questionnaire_response, task
from canonical.status_order import ERROR, ORDER, backwards


@pytest.mark.parametrize(
    ("resource_type", "element", "now", "then"),
    [
        ("Observation", "status", "final", "preliminary"),
        ("Observation", "status", "corrected", "final"),
        ("Observation", "status", "final", None),
        ("Observation", "status", "final", "of-the-site"),
        ("MedicationStatement", "status", "stopped", "active"),
        ("DocumentReference", "docStatus", "final", "preliminary"),
        ("Task", "status", "completed", "in-progress"),
        ("ServiceRequest", "status", "active", "draft"),
    ],
)
def test_what_was_further_does_not_go_back(resource_type: str, element: str, now: str, then: str | None) -> None:
    assert backwards(resource_type, {element: now}, {element: then}) == (element,)


@pytest.mark.parametrize(
    ("resource_type", "element", "now", "then"),
    [
        ("Observation", "status", "preliminary", "final"),
        ("Observation", "status", "final", "corrected"),
        ("Observation", "status", "final", ERROR),
        ("Observation", "status", None, "preliminary"),
        ("Observation", "status", "of-the-site", "final"),
        ("MedicationStatement", "status", "on-hold", "active"),
        ("Condition", "clinicalStatus", "resolved", "active"),
        ("Patient", "status", "final", "preliminary"),
    ],
)
def test_what_goes_on_or_has_no_order_may_change(resource_type: str, element: str, now: str, then: str) -> None:
    assert backwards(resource_type, {element: now}, {element: then}) == ()


@pytest.mark.parametrize("resource_type", sorted(ORDER))
def test_an_error_stays_one(resource_type: str) -> None:
    for element, steps in ORDER[resource_type].items():
        for status in {one for step in steps for one in step} | {"of-the-site", None}:
            assert backwards(resource_type, {element: ERROR}, {element: status}) == (element,)
            assert ERROR not in {one for step in steps for one in step}
        assert backwards(resource_type, {element: ERROR}, {element: ERROR}) == ()


def test_no_operation_of_ours_leads_a_status_back() -> None:
    moves = [("Observation", "status", now, then) for now, then in observation.CORRECTED.items()] + [
        ("QuestionnaireResponse", "status", now, then) for now, then in questionnaire_response.CORRECTED.items()
    ]
    for resource_type, table in (
        ("MedicationStatement", medication_statement.STATUS_MOVES),
        ("Task", task.STATUS_MOVES),
    ):
        moves += [
            (resource_type, "status", now, leads_to or now) for allowed, leads_to in table.values() for now in allowed
        ]
    for resource_type, statuses in (
        ("AllergyIntolerance", allergy_intolerance.STATUSES),
        ("Condition", condition.STATUSES),
    ):
        moves += [
            (resource_type, "verificationStatus", now, move.verification or now)
            for move in statuses.moves.values()
            for now in move.verification_from
            if now is not None and move.verification != "(kept)"
        ]
    assert len(moves) > 40
    back = [move for move in moves if backwards(move[0], {move[1]: move[2]}, {move[1]: move[3]})]
    assert back == []
