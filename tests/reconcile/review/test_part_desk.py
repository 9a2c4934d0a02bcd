"""What stands of an incomplete command is taken back part by part: shown, decided, carried out in order, proven, and ended honestly."""

from __future__ import annotations

import pytest

from tests.reconcile.review.bench import NURSE
from tests.reconcile.review.part_bench import WHY, PartBench, readings, told
from tests.reconcile.review.whole_desk import WholeDesk


@pytest.fixture
def bench(whole: WholeDesk) -> PartBench:
    return PartBench(whole)


def test_all_that_stands_is_taken_back_the_last_written_first_and_then_it_counts_as_taken_back(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root)
    assert told(page.parts) == [(1, "asWritten"), (2, "asWritten"), (3, "notThere")]
    bench.decide(page, {1: "retract", 2: "retract"})
    assert bench.whole.state(root) == "taking_back"
    first, second = bench.undoing(root)
    bench.drive(root)
    assert [bench.whole.state(item) for item in (first, second)] == ["verified", "verified"]
    assert bench.chart(root) == {".1": "entered-in-error", ".2": "entered-in-error"}
    assert bench.states(root) == ["taken_back", "taken_back", "incomplete"]
    assert bench.whole.state(root) == "compensated"
    assert bench.whole.station.ward.events(root)[-2:] == ["take_back_decided", "parts_taken_back"]
    assert bench.whole.services.doors.balances.sheet().closes
    assert NURSE.actor and WHY
