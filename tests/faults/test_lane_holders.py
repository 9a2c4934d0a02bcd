"""Findings 12, 13 and 14, traps 11, 20, 21 and 22: who may hold a lane, what a holder leaves behind, and in which order.

On real PostgreSQL with workers of this process; the broker has no part in any of it.
"""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Engine, event

from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Surrounding
from processes.condition import wait_until
from store.claims import claim
from store.database import open_engine, open_session, transaction
from store.due import due_lanes
from tests.faults.stage import SOON, Stage
from tests.tasks.chart import SHORT
from tests.tasks.ward import Ward, open_ward

#: A request may take as long as a test waits, and its place in flight is still its own.
LONG = replace(SHORT, request=SOON)

# --- finding 13: a session lock is re-entrant, and a rollback keeps it ------------------------------------------------


def test_one_process_cannot_hold_a_lane_twice(stage: Stage) -> None:
    """Finding 13: asked for again on one session, PostgreSQL would say yes."""
    lane = stage.submit().lane_id
    assert lane is not None
    lanes = stage.ward.lanes()
    with lanes.hold(lane) as first:
        assert first is not None
        with lanes.hold(lane) as second:
            assert second is None
        with lanes.hold(lane) as third:
            assert third is None, "the loser must not have freed it"


def test_nothing_is_left_locked_on_a_session_that_is_lent_again(stage: Stage) -> None:
    """Finding 13: a lock survives the end of a transaction, and one unlock does not end two locks."""
    lane = stage.submit().lane_id
    assert lane is not None
    lanes = stage.ward.lanes()
    with lanes.hold(lane) as held:
        assert held is not None
        again = held._session.execute("SELECT pg_try_advisory_lock(%s) AS locked", (lane,)).fetchone()
        assert again == {"locked": True}
    assert _locks(stage) == 0
    with stage.ward.lanes().hold(lane) as other:
        assert other is not None


def test_a_holder_that_fails_frees_the_lane_with_its_session(stage: Stage) -> None:
    lane = stage.submit().lane_id
    assert lane is not None
    lanes = stage.ward.lanes()
    with pytest.raises(ZeroDivisionError), lanes.hold(lane):
        raise ZeroDivisionError
    assert wait_until(lambda: _locks(stage) == 0, within=SOON)


def test_a_claim_on_another_session_than_the_locks_is_refused(stage: Stage) -> None:
    """Finding 13: behind a pooler in transaction mode, the session with the lock is not the one that claims."""
    accepted = stage.submit()
    assert accepted.lane_id is not None
    with stage.ward.lanes().hold(accepted.lane_id) as held, open_session(stage.ward.url) as other:
        assert held is not None
        assert held.view.next is not None
        operation = stage.ward.chart.plan(held.view.next, Surrounding())[0]
        on = partial(
            claim, command=held.view.next, operation=operation, fence_seen=held.view.fence, pid=held._pid, actor="test"
        )
        assert on(other) is None
        assert on(held._session) is not None


def _locks(stage: Stage) -> int:
    sql = """SELECT count(*) AS n FROM pg_locks
              WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    return int(stage.ward.query(sql)[0]["n"])


# --- trap 21: a stolen lease, and then the first holder fails ---------------------------------------------------------


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.UNAVAILABLE,
        Outcome.THROTTLED,
        Outcome.LOCKED,
        Outcome.CONFLICT,
        Outcome.REJECTED_PAYLOAD,
        Outcome.UNKNOWN,
        Outcome.APPLIED,
    ],
)
def test_whatever_the_robbed_holder_reports_the_lane_stays_the_thiefs(stage: Stage, outcome: Outcome) -> None:
    """Trap 21: the fence guards parking, releasing and closing the connection, not only success."""
    accepted = stage.submit()
    answers = [Settlement(outcome=outcome, reference="Observation/late", version="1")]
    stage.ward.chart.on_send = lambda _operation: answers.pop() if answers else None

    with stage.paused(accepted.lane_id, at="before_send") as robbed:
        stage.lose_session(accepted.lane_id)
        stage.end_lease()
        stage.ward.run(accepted.lane_id)
        stage.end_quarantine()
        with stage.paused(accepted.lane_id, at="before_send") as thief:
            before = _everything(stage)
            assert robbed.go_on() is None
            assert answers == [], "the robbed holder did get an answer"
            assert _everything(stage) == before
            thief.go_on()

    assert stage.ward.state(accepted.command_id) == "verified"
    late = "SELECT late_outcome FROM attempts WHERE n = 1 AND kind = 'send'"
    assert stage.ward.query(late) == [{"late_outcome": outcome.value}]
    assert stage.findings() == []


def _everything(stage: Stage) -> list[list[dict[str, object]]]:
    """What a holder may change: lane, slots, connection, command and its events."""
    return [
        stage.ward.query("SELECT fence, lease_until, quarantine_until > now() AS quarantine FROM lanes"),
        stage.ward.query("SELECT no, until > now() AS taken, lane_id FROM slots ORDER BY no"),
        stage.ward.query("SELECT not_before > now() AS closed, closed_reason, failures FROM connections"),
        stage.ward.query("SELECT state, state_reason, attempts, spent, event_seq, due_at FROM commands"),
        stage.ward.query("SELECT command_id, seq, trigger FROM events ORDER BY id"),
        stage.ward.query("SELECT * FROM links"),
    ]


# --- finding 12: places in flight -------------------------------------------------------------------------------------


def test_the_place_of_a_killed_sender_is_free_again_when_its_lease_ends(database_url: str) -> None:
    """Finding 12, by real time: a counter would have leaked."""
    engine = open_engine(database_url)
    stage = Stage(open_ward(engine, database_url, max_in_flight=1))
    killed, waiting = stage.submit(patient="p1"), stage.submit(patient="p2")
    with stage.paused(killed.lane_id, at="before_send") as sender:
        sender.die()
    until = stage.ward.query("SELECT max(until) AS until FROM slots")[0]["until"]

    def sent() -> bool:
        now = stage.ward.query("SELECT clock_timestamp() AS now")[0]["now"]
        moved = stage.ward.run(waiting.lane_id).moved == 1
        assert moved or now < until, "turned away though the place was free"
        return moved

    assert wait_until(sent, within=SOON)
    claimed = "SELECT claimed_at FROM attempts WHERE command_id = %(id)s"
    assert stage.ward.query(claimed, id=waiting.command_id)[0]["claimed_at"] >= until
    stage.settle_down()
    assert stage.findings() == []
    stage.ward.close()
    engine.dispose()


@pytest.fixture
def narrow(database_url: str) -> Iterator[Stage]:
    """A connection that takes three requests at a time."""
    engine = open_engine(database_url, pool_size=16)
    ward = open_ward(engine, database_url, max_in_flight=3, timings=LONG)
    yield Stage(ward)
    ward.close()
    engine.dispose()


def test_eight_workers_keep_order_overlap_nothing_and_respect_the_cap(narrow: Stage) -> None:
    """Trap 11: the unit that is leased is the patient's lane, not the command."""
    chart = narrow.ward.chart
    jitter = random.Random(11)
    guard, turned_away = threading.Lock(), threading.Event()
    busy: Counter[str] = Counter()
    most_at_once: list[int] = []
    most_of_one: list[int] = []
    sent: dict[str, list[str]] = defaultdict(list)

    def slow(operation: Operation) -> Settlement | None:
        """The first ones stay until the cap is full and has turned another worker away."""
        patient = _patient(operation)
        with guard:
            busy[patient] += 1
            sent[patient].append(operation.mark)
            most_at_once.append(busy.total())
            most_of_one.append(busy[patient])
        turned_away.wait(SOON.total_seconds())
        threading.Event().wait(jitter.uniform(0, 0.008))
        with guard:
            busy[patient] -= 1
        return None

    def work() -> None:
        turn = narrow.ward.turn()
        while narrow.ward.query("SELECT 1 FROM commands WHERE state = 'ready' LIMIT 1"):
            with transaction(narrow.ward.engine) as connection:
                lanes = due_lanes(connection, limit=5)
            for lane in lanes:
                report = turn.run(lane)
                with guard:
                    if busy.total() == 3 and not report.locked and not report.moved:
                        turned_away.set()

    promised: dict[str, list[str]] = defaultdict(list)
    for _ in range(3):
        for number in range(20):
            command = narrow.submit(patient=f"p{number}").command_id
            promised[f"Patient/p{number}"].append(str(command))
    chart.on_send = slow
    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sent == promised
    assert turned_away.is_set(), "the workers were to press against the cap"
    assert max(most_at_once) == 3
    assert max(most_of_one) == 1, "two requests at a time for one patient"
    narrow.settle_down()
    assert narrow.findings() == []


def _patient(operation: Operation) -> str:
    from canonical import exact_json

    return str(exact_json.parse(operation.body)["subject"])


# --- finding 14 and trap 20: what is received late --------------------------------------------------------------------


def test_a_command_that_comes_after_the_last_look_is_found_by_the_sweep(stage: Stage) -> None:
    """Finding 14: its hint may have met a lane that was still held."""
    first = stage.submit()
    later: list[object] = []

    def clock() -> float:
        # The turn reads its clock at the start, and then after each look.
        if stage.ward.chart.sent and not later:
            later.append(stage.submit())
        return 0.0

    report = stage.ward.run(first.lane_id, replace(stage.ward.turn(), monotonic=clock))

    assert len(later) == 1
    assert (report.moved, report.more, len(stage.ward.chart.sent)) == (1, False, 1)
    with transaction(stage.ward.engine) as connection:
        assert due_lanes(connection, limit=5) == [first.lane_id]
    stage.settle_down()
    assert stage.findings() == []


@pytest.fixture
def slow_door(stage: Stage, database_url: str) -> Iterator[tuple[Ward, threading.Event, threading.Event]]:
    """A door whose commit waits: the ward to submit at, an event when it waits, and one to let it go on."""
    engine = open_engine(database_url)
    waits, go_on = threading.Event(), threading.Event()

    @event.listens_for(engine, "commit")
    def wait(_connection: object) -> None:
        waits.set()
        assert go_on.wait(SOON.total_seconds())

    yield replace(stage.ward, engine=engine), waits, go_on
    _end(engine, go_on)


def _end(engine: Engine, go_on: threading.Event) -> None:
    go_on.set()
    engine.dispose()


@pytest.mark.parametrize("other_patient", [True, False])
def test_a_command_whose_receipt_commits_late_is_not_skipped(
    stage: Stage, slow_door: tuple[Ward, threading.Event, threading.Event], *, other_patient: bool
) -> None:
    """Trap 20: numbers are given before commits; a reader of "everything after the last I saw" loses the slow one."""
    door, waits, go_on = slow_door
    slow = threading.Thread(target=stage.submit, kwargs={"patient": "p1", "door": door})
    slow.start()
    assert waits.wait(SOON.total_seconds())
    quick = threading.Thread(target=stage.submit, kwargs={"patient": "p2" if other_patient else "p1"})
    quick.start()
    if other_patient:
        quick.join(SOON.total_seconds())
        _sweep(stage)
        assert len(stage.ward.chart.sent) == 1
    else:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        assert wait_until(lambda: bool(stage.ward.query(waiting)), within=SOON), "one lane, one at a time"
    go_on.set()
    slow.join(SOON.total_seconds())
    quick.join(SOON.total_seconds())

    _sweep(stage)
    assert len(stage.ward.chart.sent) == 2
    assert stage.findings() == []


def _sweep(stage: Stage) -> None:
    with transaction(stage.ward.engine) as connection:
        lanes = due_lanes(connection, limit=5)
    for lane in lanes:
        stage.ward.run(lane)
