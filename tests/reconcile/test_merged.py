"""Records that were merged are read again; once they are parted, every write since stands in one line of the queue."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd
from config.wiring import Services
from reconcile import merged
from store.database import open_session
from store.intake import Accepted
from store.patient_map import learn
from tests.reconcile.conftest import Noted
from tests.tasks.ward import PATIENT, Ward

OLD, NEW, THIRD = "Patient/p0", "Patient/p1", "Patient/p2"


@pytest.fixture(autouse=True)
def patients(ward: Ward) -> None:
    for record in (OLD, NEW, THIRD):
        ward.chart.admit({**PATIENT, "id": record.removeprefix("Patient/")})


def submit(ward: Ward, patient: str, **more: Any) -> Accepted:
    return ward.submit(patient={"reference": patient, "birthDate": "1961-04-02", "family": "Lopez"}, **more)


def written(ward: Ward, patient: str) -> Accepted:
    accepted = submit(ward, patient)
    for _ in range(2):
        ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    return accepted


def told(ward: Ward, *records: str, end: TrailEnd = TrailEnd.IN_USE) -> None:
    """Let the EHR lead from the first record to the last, and learn of it."""
    steps = tuple(MergeStep(patient=old, into=new, told_by=ToldBy.LINK) for old, new in pairwise(records))
    trail = PatientTrail(start=records[0], steps=steps, end=end)
    ward.chart.trails[records[0]] = trail
    with open_session(ward.url) as session:
        learn(session, trail, tenant="t1", connection="north")


def asked(ward: Ward) -> set[Any]:
    return {row["command_id"] for row in ward.query("SELECT command_id FROM cases WHERE kind = 'merge_undone'")}


def a_day_later(ward: Ward) -> None:
    ward.query("UPDATE lanes SET merge_look_at = now() - interval '1 second' WHERE merge_look_at IS NOT NULL")


def swept(ward: Ward, services: Services) -> list[int]:
    """Run the sweep, and the turns that it hands on."""
    hands = Noted()
    merged.run_once(services, hands)
    for lane in hands.lanes:
        ward.run(lane)
    return hands.lanes


def test_a_merge_that_stands_is_read_again_a_day_later_and_adds_nothing(ward: Ward, services: Services) -> None:
    written(ward, OLD)
    told(ward, OLD, NEW)
    assert swept(ward, services) == []
    a_day_later(ward)
    assert len(swept(ward, services)) == 1
    assert swept(ward, services) == []
    assert ward.query("SELECT count(*) AS n FROM patient_merges")[0]["n"] == 1
    assert asked(ward) == set()


def test_once_parted_every_write_since_on_either_record_is_one_line_and_no_other_is(
    ward: Ward, services: Services
) -> None:
    before = written(ward, NEW)
    ward.query("UPDATE attempts SET claimed_at = claimed_at - interval '1 day'")
    told(ward, OLD, NEW)
    since, refused, other = written(ward, NEW), submit(ward, NEW), written(ward, THIRD)
    ward.query("UPDATE commands SET state = 'rejected' WHERE id = %(id)s", id=refused.command_id)
    ward.chart.trails.clear()
    a_day_later(ward)
    swept(ward, services)
    assert asked(ward) == {since.command_id}
    assert {before.command_id, refused.command_id, other.command_id}.isdisjoint(asked(ward))
    found = ward.query("SELECT DISTINCT cause, holds, severity FROM cases WHERE kind = 'merge_undone'")
    assert [(row["cause"].split("=")[0], row["holds"], row["severity"]) for row in found] == [("merge", False, 1)]
    history = ward.query("SELECT survivor_key IS NULL AS apart, told_by FROM patient_merges ORDER BY id")
    assert [(row["apart"], row["told_by"]) for row in history] == [(False, "link"), (True, "read_in_use")]


def test_a_parted_record_is_not_read_for_that_any_more_and_merged_again_it_is(ward: Ward, services: Services) -> None:
    written(ward, OLD)
    told(ward, OLD, NEW)
    told(ward, OLD)
    a_day_later(ward)
    assert swept(ward, services) == []
    told(ward, OLD, NEW)
    a_day_later(ward)
    assert len(swept(ward, services)) == 1


def test_two_writes_since_are_two_cases_of_one_cause(ward: Ward) -> None:
    told(ward, OLD, NEW)
    both = {written(ward, NEW).command_id for _ in range(2)}
    told(ward, OLD)
    assert asked(ward) == both
    assert ward.query("SELECT count(DISTINCT cause) AS n FROM cases WHERE kind = 'merge_undone'")[0]["n"] == 1


def test_a_record_that_leads_elsewhere_parts_the_two_and_one_told_more_shortly_does_not(ward: Ward) -> None:
    told(ward, OLD, NEW)
    write = written(ward, NEW)
    told(ward, NEW, THIRD)
    told(ward, OLD, THIRD)
    assert asked(ward) == set(), "it is the same person, told in one step"
    told(ward, NEW)
    assert write.command_id in asked(ward)


def test_an_ehr_that_does_not_answer_parts_nobody_and_is_asked_again_within_the_hour(
    ward: Ward, services: Services
) -> None:
    written(ward, OLD)
    told(ward, OLD, NEW)
    ward.chart.trails[OLD] = PatientTrail(start=OLD, end=TrailEnd.UNREAD)
    a_day_later(ward)
    swept(ward, services)
    assert asked(ward) == set()
    (row,) = ward.query(
        "SELECT merge_look_at - now() < interval '61 minutes' AS soon FROM lanes WHERE joins IS NOT NULL"
    )
    assert row["soon"]


def test_a_write_for_a_record_that_is_in_use_again_goes_and_tells_that_it_was_parted(ward: Ward) -> None:
    told(ward, OLD, NEW)
    mistaken = written(ward, NEW)
    ward.chart.trails.clear()
    accepted = submit(ward, OLD)
    for _ in range(2):
        ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert asked(ward) == {mistaken.command_id}
