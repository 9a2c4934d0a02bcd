"""A case from its opening to the chart: what is shown, what is decided, what is written."""

from __future__ import annotations

from canonical.review_desk import Pick, Verb
from canonical.three_way import FieldState
from tests.reconcile.review.bench import PHARMACIST, ReviewBench


def test_a_conflict_shows_what_was_seen_what_stands_there_and_what_is_proposed(bench: ReviewBench) -> None:
    _, case = bench.conflict("seen-1")
    page = bench.desk.open(PHARMACIST, case)
    for f in page.fields: print("FIELD", f)
    print(page.choices, page.chart_change, page.banner, page.context, page.question, page.row)
    (row,) = page.fields
    assert (row.name, row.state, row.changed_by) == ("dosage", FieldState.OVERLAPPING, "both")
    assert "10 mg" in (row.seen or "")
    assert "5 mg" in row.chart
    assert "20 mg" in row.proposed
    print(page)


def test_the_proposal_that_was_kept_is_written_on_the_version_the_reviewer_saw(bench: ReviewBench) -> None:
    accepted, case = bench.conflict("kept-1")
    page = bench.desk.open(PHARMACIST, case)
    decided = bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": Pick.PROPOSAL})
    assert decided.command_id == accepted.command_id
    assert bench.station.ward.state(accepted.command_id) == "ready"
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "verified"
    assert bench.chart("kept-1")["dosage"][0]["doseAndRate"][0]["doseQuantity"]["value"] == 20
