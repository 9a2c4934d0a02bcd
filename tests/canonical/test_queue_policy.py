from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from canonical.case_views import CasePage
from tests.canonical.policies import queue, shipped


def test_what_is_more_severe_is_due_earlier_and_goes_up_level_by_level() -> None:
    said = shipped().queue
    due = [said.due_within(severity) for severity in (1, 2, 3, 4)]
    assert due == sorted(set(due))
    assert said.escalation(1, 0) == said.due_within(1)
    steps: list[timedelta] = []
    while (step := said.escalation(1, len(steps))) is not None:
        steps.append(step)
    assert len(steps) > 1
    assert said.escalation(1, -1) is None


def test_only_what_is_most_severe_pages_somebody() -> None:
    assert [number for number, level in shipped().queue.severity.items() if level.pages] == [1]


def test_times_are_told_as_times() -> None:
    assert queue(claim_minutes=10).claim == timedelta(minutes=10)
    assert queue(author_answer_minutes=60).author_answer == timedelta(hours=1)


def test_the_page_counts_to_the_same_limit_of_rounds() -> None:
    assert CasePage.round_limit == shipped().queue.round_limit


@pytest.mark.parametrize(
    "over",
    [
        {"severity": {1: {"due_minutes": 5}}},
        {"severity": {number: {"due_minutes": 100 - number} for number in (1, 2, 3, 4)}},
        {"severity": {number: {"due_minutes": 0} for number in (1, 2, 3, 4)}},
        {"severity": {number: {"due_minutes": 9, "acknowledge_minutes": 9 - number} for number in (1, 2, 3, 4)}},
        {"severity": {number: {"due_minutes": 9, "acknowledge_minutes": 0} for number in (1, 2, 3, 4)}},
        {"fatigue": {"decisions": 50, "same_of": 51}},
        {"merge": [{"significance": "none", "rollback": "by_hand"}]},
        {"round_limit": 0},
        {"owner": ""},
        {"colour": "red"},
    ],
    ids=repr,
)
def test_a_queue_that_cannot_be_is_refused(over: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        queue(**over)
