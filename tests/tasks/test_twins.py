"""What the chart says already, looked at once before the first send, on real PostgreSQL."""

from __future__ import annotations

from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation
from tests.tasks.ward import Ward


def test_entry_of_unknown_origin_that_says_the_same_is_a_case_and_nothing_is_sent(ward: Ward) -> None:
    ward.chart.already_there = ("Observation/theirs",)
    accepted = ward.submit(key="twin")
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", ["possible_duplicate"])
    assert ward.attempts(accepted.command_id) == []
    assert ward.submit(key="twin").replayed


def test_what_shows_after_our_own_first_attempt_is_no_twin(ward: Ward) -> None:
    """Once we have sent it, whether the chart has it is the probe's to prove."""
    answers = [Settlement(outcome=Outcome.LOCKED)]

    def locked_once(_operation: Operation) -> Settlement | None:
        ward.chart.already_there = ("Observation/ours",)
        return answers.pop() if answers else None

    ward.chart.on_send = locked_once
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    ward.let_time_pass(accepted.lane_id)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert ward.cases(accepted.command_id) == []
    assert len(ward.chart.marked(str(accepted.command_id))) == 1
