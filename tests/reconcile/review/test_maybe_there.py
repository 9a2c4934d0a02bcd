"""What nobody is sure of: a person's word ends it only while the chart does not say otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.review_desk import ReviewError, Verb
from store.intake import Accepted
from tests.faults.proxy import Mode
from tests.reconcile.review.bench import NURSE, ReviewBench

SAID = "Looked in the chart with the ward's nurse."


def _not_told(bench: ReviewBench) -> tuple[Accepted, int, list[dict[str, Any]]]:
    """Return a reading whose answer was lost and of which the chart then had two, with its case and both entries."""
    station = bench.station
    station.proxy.cut("lost answer", b"POST /fhir/Observation")
    accepted = station.ward.submit()
    station.run(accepted.lane_id)
    (stored,) = station.marked(accepted.command_id)
    station.server.put({**stored, "id": f"twin-{stored['id']}"[:60]})
    station.ward.let_time_pass(accepted.lane_id)
    station.run(accepted.lane_id)
    assert station.ward.cases(accepted.command_id) == ["cannot_tell"]
    return accepted, bench.case_of(accepted.command_id), station.marked(accepted.command_id)


def _unmark(bench: ReviewBench, entry: dict[str, Any]) -> None:
    bench.station.server.put({name: item for name, item in entry.items() if name != "identifier"})


def test_what_stands_in_the_chart_is_neither_sent_again_nor_told_as_not_written(bench: ReviewBench) -> None:
    accepted, case, (_, twin) = _not_told(bench)
    _unmark(bench, twin)
    page = bench.desk.open(NURSE, case)
    assert [choice.verb for choice in page.choices] == ["found", "ask_author", "escalate"]
    for verb in (Verb.RESEND, Verb.REJECT):
        with pytest.raises(ReviewError) as refused:
            bench.decide(NURSE, page, verb, text=SAID, reason="done-by-hand")
        assert refused.value.code == "not-possible"
    assert bench.station.ward.state(accepted.command_id) == "in_review"
    bench.decide(NURSE, page, Verb.FOUND)
    assert bench.station.ward.state(accepted.command_id) == "applied"
    assert len(bench.station.marked(accepted.command_id)) == 1


def test_what_is_not_there_is_sent_again_once_somebody_said_how_they_know(bench: ReviewBench) -> None:
    accepted, case, entries = _not_told(bench)
    for entry in entries:
        _unmark(bench, entry)
    page = bench.desk.open(NURSE, case)
    assert "resend" in [choice.verb for choice in page.choices]
    with pytest.raises(ReviewError, match="how you know"):
        bench.decide(NURSE, page, Verb.RESEND)
    bench.decide(NURSE, page, Verb.RESEND, text=SAID)
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "verified"
    assert len(bench.station.marked(accepted.command_id)) == 1


def test_while_the_ehr_does_not_answer_nobody_says_that_it_was_not_written(bench: ReviewBench) -> None:
    accepted, case, _ = _not_told(bench)
    page = bench.desk.open(NURSE, case)
    bench.station.proxy.mode = Mode.REFUSE
    with pytest.raises(ReviewError) as refused:
        bench.decide(NURSE, page, Verb.REJECT, reason="done-by-hand", text=SAID)
    assert refused.value.code == "chart-unreadable"
    bench.station.proxy.mode = Mode.PASS
    assert bench.station.ward.state(accepted.command_id) == "in_review"
