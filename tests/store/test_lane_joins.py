"""Two patients are one: their lanes become one before the next claim, in order, with nothing at the EHR in that moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest

from canonical.lanes import HeldLane
from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd
from canonical.ports import Operation, Surrounding
from store import lane_joins
from store.database import open_session
from store.intake import Accepted
from store.patient_map import learn as learn_trail
from tests.tasks.ward import PATIENT, Ward

OLD, NEW, NEWEST = "Patient/p0", "Patient/p1", "Patient/p2"


@pytest.fixture(autouse=True)
def patients(ward: Ward) -> None:
    for record in (OLD, NEW, NEWEST):
        ward.chart.admit({**PATIENT, "id": record.removeprefix("Patient/")})


def submit(ward: Ward, patient: str, **more: Any) -> Accepted:
    return ward.submit(patient={"reference": patient, "birthDate": "1961-04-02", "family": "Lopez"}, **more)


def trail(*records: str) -> PatientTrail:
    steps = tuple(MergeStep(patient=old, into=new, told_by=ToldBy.LINK) for old, new in pairwise(records))
    return PatientTrail(start=records[0], steps=steps, end=TrailEnd.IN_USE)


def learn(ward: Ward, accepted: Accepted, *records: str) -> int | None:
    with ward.lanes().hold(_lane(accepted)) as lane:
        assert lane is not None
        return lane.learn(trail(*records), accepted.command_id)


def join(ward: Ward, lane_id: int) -> bool:
    with ward.lanes().hold(lane_id) as lane:
        assert lane is not None
        return lane.join()


def _lane(accepted: Accepted) -> int:
    assert accepted.lane_id is not None
    return accepted.lane_id


def stands(ward: Ward, *accepted: Accepted) -> list[tuple[int, int | None]]:
    """Return the lane in which each stands, and the one of the patient whom its app named if that is another."""
    found = {
        row["id"]: (row["lane_id"], row["home_lane_id"])
        for row in ward.query("SELECT id, lane_id, home_lane_id FROM commands")
    }
    return [found[one.command_id] for one in accepted]


def order(ward: Ward) -> list[UUID]:
    return [row["id"] for row in ward.query("SELECT id FROM commands ORDER BY lane_id, lane_seq")]


def plan(ward: Ward, lane: HeldLane) -> Operation:
    assert lane.view.next is not None
    (operation,) = ward.chart.plan(lane.view.next, Surrounding())
    return operation


def test_what_waits_in_both_stands_in_the_survivors_lane_in_the_order_of_arrival(ward: Ward) -> None:
    first, second, third, fourth = (submit(ward, who) for who in (OLD, NEW, OLD, NEW))
    assert learn(ward, first, OLD, NEW) is not None
    assert join(ward, _lane(first))
    old, new = first.lane_id, second.lane_id
    assert stands(ward, first, second, third, fourth) == [(new, old), (new, None), (new, old), (new, None)]
    assert order(ward) == [one.command_id for one in (first, second, third, fourth)]


def test_the_survivors_lane_may_be_the_older_one(ward: Ward) -> None:
    survivor, merged = submit(ward, NEW), submit(ward, OLD)
    assert _lane(survivor) < _lane(merged)
    learn(ward, merged, OLD, NEW)
    assert join(ward, _lane(survivor)), "either lane's holder makes them one"
    assert stands(ward, survivor, merged) == [(survivor.lane_id, None), (survivor.lane_id, merged.lane_id)]


@pytest.mark.parametrize("who", [OLD, NEW])
def test_between_the_mark_and_the_join_no_claim_passes_in_either(ward: Ward, who: str) -> None:
    both = {OLD: submit(ward, OLD), NEW: submit(ward, NEW)}
    with ward.lanes().hold(_lane(both[who])) as lane:
        assert lane is not None
        command = lane.view.next
        assert command is not None
        learn_elsewhere(ward, both, who)
        assert lane.claim(command, plan(ward, lane)) is None
    assert ward.attempts(both[who].command_id) == []


def learn_elsewhere(ward: Ward, both: dict[str, Accepted], who: str) -> None:
    """Learn of the merge in the lane that is not ``who``'s."""
    (other,) = set(both) - {who}
    learn(ward, both[other], OLD, NEW)


def test_who_looked_before_the_lanes_were_one_claims_nothing(ward: Ward) -> None:
    merged, survivor = submit(ward, OLD), submit(ward, NEW)
    with ward.lanes().hold(_lane(survivor)) as lane:
        assert lane is not None
        command = lane.view.next
        assert command is not None
        learn(ward, merged, OLD, NEW)
        assert join(ward, _lane(merged))
        assert lane.claim(command, plan(ward, lane)) is None, "the order may be another one by now"
        lane.look_again()
        assert lane.view.next is not None
        assert lane.view.next.id == merged.command_id


@pytest.mark.parametrize("who", [OLD, NEW])
def test_lanes_are_not_made_one_while_something_of_either_is_at_the_ehr(ward: Ward, who: str) -> None:
    both = {OLD: submit(ward, OLD), NEW: submit(ward, NEW)}
    with ward.lanes().hold(_lane(both[who])) as lane:
        assert lane is not None
        assert lane.view.next is not None
        claim = lane.claim(lane.view.next, plan(ward, lane))
        assert claim is not None
        learn_elsewhere(ward, both, who)
        assert not lane.join()
    ward.let_time_pass(_lane(both[who]))
    assert not join(ward, _lane(both[OLD])), "its lease is over, and nobody said yet what came of it"
    ward.run(_lane(both[who]))
    assert ward.state(both[who].command_id) == "unknown"
    assert join(ward, _lane(both[OLD]))


def test_a_write_of_unknown_outcome_holds_up_both_until_it_is_found_and_keeps_its_quarantine(ward: Ward) -> None:
    ward.chart.lose_answers = 1
    lost = submit(ward, OLD)
    ward.run(_lane(lost))
    assert ward.state(lost.command_id) == "unknown"
    survivor = submit(ward, NEW)
    ward.query("UPDATE lanes SET quarantine_until = now() + interval '1 hour' WHERE id = %(id)s", id=lost.lane_id)
    learn(ward, lost, OLD, NEW)
    ward.run(_lane(survivor))
    assert stands(ward, lost) == [(survivor.lane_id, lost.lane_id)]
    assert ward.attempts(survivor.command_id) == [], "the lane waits for what was sent before"
    (row,) = ward.query(
        "SELECT quarantine_until > now() + interval '50 minutes' AS kept FROM lanes WHERE id = %(id)s",
        id=survivor.lane_id,
    )
    assert row["kept"]
    ward.let_time_pass(survivor.lane_id)
    ward.run(_lane(survivor))
    assert ward.state(lost.command_id) == "applied"
    assert ward.state(survivor.command_id) == "verified"
    assert len(ward.chart.sent) == 2, "one each, and nothing twice"


def test_a_later_command_for_the_merged_patient_goes_to_the_one_lane(ward: Ward) -> None:
    merged, survivor = submit(ward, OLD), submit(ward, NEW)
    learn(ward, merged, OLD, NEW)
    waiting = submit(ward, OLD)
    assert join(ward, _lane(survivor))
    later = submit(ward, OLD)
    assert stands(ward, waiting, later) == [(survivor.lane_id, merged.lane_id)] * 2
    assert later.lane_id == survivor.lane_id
    assert order(ward)[-1] == later.command_id


def test_a_chain_of_merges_is_one_lane_whatever_is_joined_first(ward: Ward) -> None:
    oldest, middle, newest = (submit(ward, who) for who in (OLD, NEW, NEWEST))
    learn(ward, oldest, OLD, NEW)
    assert join(ward, _lane(middle))
    learn(ward, middle, NEW, NEWEST)
    assert join(ward, _lane(newest))
    root = newest.lane_id
    assert stands(ward, oldest, middle, newest) == [(root, oldest.lane_id), (root, middle.lane_id), (root, None)]
    assert submit(ward, OLD).lane_id == root


def test_a_chain_learned_at_once_is_one_lane(ward: Ward) -> None:
    oldest, middle, newest = (submit(ward, who) for who in (OLD, NEW, NEWEST))
    learn(ward, oldest, OLD, NEW, NEWEST)
    assert join(ward, _lane(middle))
    assert {lane for lane, _ in stands(ward, oldest, middle, newest)} == {newest.lane_id}
    assert ward.query("SELECT 1 FROM lanes WHERE joining") == []


def test_lanes_stay_one_when_the_records_are_parted_or_merged_the_other_way(ward: Ward) -> None:
    merged, survivor = submit(ward, OLD), submit(ward, NEW)
    learn(ward, merged, OLD, NEW)
    join(ward, _lane(merged))
    learn(ward, survivor, NEW, OLD)
    assert ward.query("SELECT 1 FROM lanes WHERE joining") == []
    assert submit(ward, OLD).lane_id == survivor.lane_id


def test_commands_about_one_entry_are_of_one_subject_from_then_on(ward: Ward) -> None:
    created = submit(ward, OLD)
    about = submit(ward, NEW, new={"target_reference": "Observation/o9", "creates": False})
    ward.query(
        "INSERT INTO links (connection_id, reference, tenant, root) VALUES (%(connection)s, 'Observation/o9', 't1', %(root)s)",
        connection=ward.connection_id,
        root=created.command_id,
    )
    learn(ward, created, OLD, NEW)
    join(ward, _lane(about))
    subjects = {row["subject"] for row in ward.query("SELECT subject FROM commands")}
    assert subjects == {f"command:{created.command_id}"}


def test_commands_that_come_while_the_lanes_become_one_are_all_kept_in_one_order(ward: Ward) -> None:
    merged, survivor = submit(ward, OLD), submit(ward, NEW)
    learn(ward, merged, OLD, NEW)
    with ThreadPoolExecutor(6) as pool:
        given = [pool.submit(submit, ward, who) for who in (OLD, NEW) * 12]
        joined = [pool.submit(join, ward, lane) for lane in (_lane(merged), _lane(survivor))]
        accepted = [one.result(timeout=30) for one in given]
        assert any(one.result(timeout=30) for one in joined)
    assert {lane for lane, _ in stands(ward, merged, survivor, *accepted)} == {survivor.lane_id}
    seqs = [row["lane_seq"] for row in ward.query("SELECT lane_seq FROM commands ORDER BY lane_seq")]
    assert len(seqs) == len(set(seqs)) == 26
    assert submit(ward, OLD).lane_id == survivor.lane_id


def test_who_learns_of_opposite_merges_at_once_leaves_no_circle_and_one_lane(ward: Ward) -> None:
    for _ in range(5):
        one, other = submit(ward, OLD), submit(ward, NEW)
        with ThreadPoolExecutor(2) as pool:
            told = [pool.submit(learn, ward, one, OLD, NEW), pool.submit(learn, ward, other, NEW, OLD)]
            for found in told:
                found.result(timeout=30)
        last = ward.query(
            "SELECT DISTINCT ON (patient_key) survivor_key FROM patient_merges ORDER BY patient_key, id DESC"
        )
        assert sum(row["survivor_key"] is not None for row in last) == 1
    assert ward.query("SELECT count(*) AS n FROM lanes WHERE joins IS NOT NULL")[0]["n"] == 1


def test_claims_and_a_join_at_once_never_have_two_writes_at_the_ehr(ward: Ward) -> None:
    """Workers take turns in both lanes while the merge is learned; the chart waits a little for a second to be there, too."""
    together = Barrier(2)
    met: list[UUID] = []

    def meet(operation: Operation) -> None:
        with suppress(BrokenBarrierError):
            together.wait(0.02)
            met.append(UUID(operation.mark))
        if together.broken:
            together.reset()

    commands = [submit(ward, who) for who in (OLD, NEW) * 6]
    learn(ward, commands[0], OLD, NEW)
    ward.chart.on_send = meet
    turns = [ward.turn() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(6):
            list(pool.map(lambda turn: [turn.run(_lane(one)) for one in commands[:2]], turns))
    assert met == []
    assert {ward.state(one.command_id) for one in commands} == {"verified"}
    assert len(ward.chart.sent) == len(commands)


def test_a_lane_is_read_again_a_day_after_its_merge(ward: Ward) -> None:
    merged = submit(ward, OLD)
    learn(ward, merged, OLD, NEW)
    (row,) = ward.query("SELECT merge_look_at - now() AS wait FROM lanes WHERE merge_look_at IS NOT NULL")
    assert timedelta(hours=23) < row["wait"] <= timedelta(days=1)


def test_lanes_are_not_made_one_while_the_chart_is_asked_about_a_lost_write(ward: Ward) -> None:
    ward.chart.lose_answers = 1
    lost = submit(ward, OLD)
    ward.run(_lane(lost))
    ward.let_time_pass(lost.lane_id)
    with ward.lanes().hold(_lane(lost)) as lane:
        assert lane is not None
        probe = lane.claim_probe()
        assert probe is not None
        learn_in(ward, OLD, NEW)
        assert not lane.join()
        lane.release_probe(probe, wait=timedelta(0), detail="outage")
        assert lane.join()


def learn_in(ward: Ward, *records: str) -> None:
    """Learn of a merge as whoever holds another lane does."""
    with open_session(ward.url) as session:
        learn_trail(session, trail(*records), tenant="t1", connection="north")


def test_a_command_that_waited_for_a_lane_until_it_was_joined_stands_in_the_one_lane(ward: Ward) -> None:
    merged, survivor = submit(ward, OLD), submit(ward, NEW)
    learn(ward, merged, OLD, NEW)
    with open_session(ward.url) as joining, ThreadPoolExecutor(1) as pool:
        with joining.transaction():
            assert lane_joins._join(joining, _lane(merged))
            waiting = pool.submit(submit, ward, OLD)
            while not ward.query("SELECT 1 FROM pg_locks WHERE NOT granted"):
                assert not waiting.done(), "it must wait for the lane's row"
        later = waiting.result(timeout=10)
    assert later.lane_id == survivor.lane_id
    assert stands(ward, later) == [(survivor.lane_id, merged.lane_id)]
