"""Traces T1 to T8: each is a way in which a plausible write protocol writes twice, unseen or unasked.

Two workers of this process take turns of one lane on real PostgreSQL; a pause is a thread that waits at the named step.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation
from processes.condition import wait_until
from store.database import open_engine
from tests.faults.stage import SOON, Died, Stage
from tests.tasks.chart import SHORT
from tests.tasks.ward import open_ward


def _lose_requests(stage: Stage, count: int) -> list[Operation]:
    """The next ``count`` requests vanish before the chart sees them; returns what was lost, to be asserted on."""
    lost: list[Operation] = []

    def lose(operation: Operation) -> Settlement | None:
        if len(lost) < count:
            lost.append(operation)
            return Settlement(outcome=Outcome.UNKNOWN, detail="no answer")
        return None

    stage.ward.chart.on_send = lose
    return lost


def _marked(stage: Stage, command: UUID) -> int:
    return len(stage.ward.chart.marked(str(command)))


# --- T1: a stale probe ------------------------------------------------------------------------------------------------


def test_t1_a_slow_probe_keeps_every_other_prober_out(stage: Stage) -> None:
    """Trace T1 as far as it gets: the lane's lock is held while a probe is under way."""
    lost = _lose_requests(stage, 1)
    accepted = stage.submit()
    stage.ward.run(accepted.lane_id)
    stage.end_quarantine()

    with stage.paused(accepted.lane_id, at="after_probe_answer") as slow:
        other = stage.ward.run(accepted.lane_id)
        assert (other.locked, other.moved) == (True, 0)
        assert stage.ward.state(accepted.command_id) == "unknown"
        slow.go_on()

    stage.settle_down()
    assert len(lost) == 1
    assert _marked(stage, accepted.command_id) == 1
    assert stage.ward.events(accepted.command_id)[2:] == [
        "claimed",
        "answer_lost",
        "probe_not_applied",
        "claimed",
        "answered_proven",
    ]
    assert stage.findings() == []


@pytest.mark.parametrize("conditional_create", [True, False])
def test_t1_an_old_answer_of_a_probe_moves_nothing(stage: Stage, *, conditional_create: bool) -> None:
    """Trace T1 in full: the slow prober loses its session, another one leads to a second attempt whose reply is lost."""
    stage.ward.chart.conditional_create = conditional_create
    lost = _lose_requests(stage, 1)
    accepted = stage.submit()
    stage.ward.run(accepted.lane_id)
    stage.end_quarantine()

    with stage.paused(accepted.lane_id, at="after_probe_answer") as slow:
        stage.lose_session(accepted.lane_id)
        stage.end_lease()
        stage.ward.chart.lose_answers = 1
        stage.ward.run(accepted.lane_id)
        assert stage.ward.attempts(accepted.command_id)[-1] == ("send", "unknown")
        assert stage.ward.state(accepted.command_id) == "unknown"

        assert slow.go_on() is None, "its session is gone, and it must notice"

    assert stage.ward.state(accepted.command_id) == "unknown", "the old 'not there' would make a third attempt legal"
    stage.settle_down()
    assert (len(lost), stage.ward.chart.lose_answers) == (1, 0)
    assert len(stage.ward.chart.sent) == 1
    assert stage.findings() == []


def test_t1_an_old_prober_takes_nothing_from_the_one_that_follows_it(stage: Stage) -> None:
    """Trace T1 with the same attempt in question: only the fence tells the two probers apart."""
    _lose_requests(stage, 1)
    accepted = stage.submit()
    stage.ward.run(accepted.lane_id)
    stage.end_quarantine()

    with stage.paused(accepted.lane_id, at="after_probe_answer") as old:
        stage.lose_session(accepted.lane_id)
        stage.end_lease()
        with stage.paused(accepted.lane_id, at="after_probe_claim") as new:
            assert old.go_on() is None
            assert stage.ward.state(accepted.command_id) == "unknown"
            assert not stage.ward.is_at_rest(), "the lease is the new prober's"
            new.go_on()

    stage.settle_down()
    assert stage.findings() == []


# --- T2: paused before the send ---------------------------------------------------------------------------------------


def test_t2_a_sender_paused_past_its_lease_is_not_swept_while_it_holds_the_lock(stage: Stage) -> None:
    """Trace T2: the pause is longer than lease and quarantine, and then the request leaves."""
    stage.ward.chart.conditional_create = False
    accepted = stage.submit()

    with stage.paused(accepted.lane_id, at="before_send") as zombie:
        stage.end_lease()
        fence = stage.lane(accepted.lane_id)["fence"]
        for _ in range(3):
            assert stage.ward.run(accepted.lane_id).locked
        assert stage.ward.state(accepted.command_id) == "sending"
        assert stage.lane(accepted.lane_id)["fence"] == fence, "who is locked out must not change the fence (trap 22)"
        zombie.go_on()

    assert _marked(stage, accepted.command_id) == 1
    assert stage.ward.attempts(accepted.command_id) == [("send", "applied")]
    stage.settle_down()
    assert stage.findings() == []


# --- T3: paused, then killed in the call ------------------------------------------------------------------------------


@pytest.fixture
def patient_stage(database_url: str) -> Iterator[Stage]:
    """A connection whose margin is more than a busy machine is late."""
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url, timings=replace(SHORT, margin=timedelta(seconds=1)))
    yield Stage(ward)
    ward.close()
    engine.dispose()


@pytest.mark.parametrize("conditional_create", [True, False])
def test_t3_the_quarantine_of_a_killed_sender_begins_when_unknown_is_written(
    patient_stage: Stage, *, conditional_create: bool
) -> None:
    """Trace T3: it was claimed long ago, but its request left just before the kill, and commits late."""
    stage, chart = patient_stage, patient_stage.ward.chart
    chart.conditional_create = conditional_create
    slowest = chart.timings.request + chart.timings.slowest_commit
    landed = threading.Event()

    def commit_late_and_die(operation: Operation) -> Settlement | None:
        def commit() -> None:
            with chart.lock:
                chart._write(operation)
            landed.set()

        threading.Timer(slowest.total_seconds(), commit).start()
        raise Died

    accepted = stage.submit()
    with stage.paused(accepted.lane_id, at="before_send") as sender:
        stage.end_lease()
        assert stage.ward.run(accepted.lane_id).locked
        chart.on_send = commit_late_and_die
        assert sender.go_on() is None
    chart.on_send = lambda _operation: None

    stage.ward.run(accepted.lane_id)
    assert stage.ward.state(accepted.command_id) == "unknown"
    assert _quarantine_of(stage, accepted.lane_id) > slowest

    def probed() -> bool:
        stage.ward.run(accepted.lane_id)
        return stage.ward.state(accepted.command_id) != "unknown"

    assert wait_until(probed, within=SOON)
    assert landed.is_set(), "the probe came before the write could land"
    stage.settle_down()
    assert stage.ward.attempts(accepted.command_id) == [("send", "unknown"), ("probe", "probe_applied")]
    assert stage.findings() == []


def _quarantine_of(stage: Stage, lane_id: int | None) -> timedelta:
    """From the commit that wrote ``unknown`` to the end of the quarantine."""
    sql = """SELECT l.quarantine_until - max(e.at) AS length FROM lanes l JOIN commands c ON c.lane_id = l.id
             JOIN events e ON e.command_id = c.id AND e.target = 'unknown' WHERE l.id = %(lane)s GROUP BY l.id"""
    length: timedelta = stage.ward.query(sql, lane=lane_id)[0]["length"]
    return length + timedelta(milliseconds=5)  # event and lane take the clock one after the other


# --- T4: paused, and its database session lost ------------------------------------------------------------------------


def _send_twice(stage: Stage) -> UUID:
    """A is paused before it sends and loses its session; B takes over, probes, and sends again; then A sends."""
    accepted = stage.submit()
    with stage.paused(accepted.lane_id, at="before_send") as zombie:
        stage.lose_session(accepted.lane_id)
        stage.end_lease()
        stage.ward.run(accepted.lane_id)
        stage.end_quarantine()
        stage.ward.run(accepted.lane_id)
        assert stage.ward.attempts(accepted.command_id)[-2:] == [("probe", "probe_not_applied"), ("send", "applied")]
        assert zombie.go_on() is None
    assert len(stage.ward.chart.sent) == 2
    return accepted.command_id


def test_t4_conditional_create_holds_where_pause_and_lost_session_meet(stage: Stage) -> None:
    """Trace T4, with an EHR that honours ``If-None-Exist``."""
    command = _send_twice(stage)

    stage.settle_down()
    assert stage.findings() == []
    assert _late(stage, command) == [(1, "applied"), (2, None)]
    assert stage.ward.cases(command) == ["late_answer"]


def test_t4_without_conditional_create_a_double_is_brought_before_a_person(stage: Stage) -> None:
    """Trace T4 on an EHR that has no guard: it can happen (open, by physics), and it is never silent."""
    stage.ward.chart.conditional_create = False
    command = _send_twice(stage)

    assert _marked(stage, command) == 2
    assert _late(stage, command) == [(1, "applied"), (2, None)]
    assert stage.ward.cases(command) == ["late_answer"]


def test_t4_a_late_success_before_the_second_attempt_prevents_it(stage: Stage) -> None:
    """Trace T4 with the zombie quicker than the second sender: its answer is evidence, and must be used."""
    stage.ward.chart.conditional_create = False
    accepted = stage.submit()
    with stage.paused(accepted.lane_id, at="before_send") as zombie:
        stage.lose_session(accepted.lane_id)
        stage.end_lease()
        stage.ward.run(accepted.lane_id)
        stage.end_quarantine()
        with stage.paused(accepted.lane_id, at="after_plan") as second:
            assert stage.ward.state(accepted.command_id) == "ready"
            zombie.go_on()
            second.go_on()

    stage.settle_down()
    assert _marked(stage, accepted.command_id) == 1
    assert _late(stage, accepted.command_id) == [(1, "applied")]
    assert stage.ward.state(accepted.command_id) == "in_review"
    assert sorted(stage.ward.cases(accepted.command_id)) == ["late_answer", "possible_duplicate"]


def _late(stage: Stage, command: UUID) -> list[tuple[int, str | None]]:
    sql = "SELECT n, late_outcome FROM attempts WHERE command_id = %(id)s AND kind = 'send' ORDER BY id"
    return [(row["n"], row["late_outcome"]) for row in stage.ward.query(sql, id=command)]
