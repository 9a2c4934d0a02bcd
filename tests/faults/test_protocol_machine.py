"""The write under every interleaving that Hypothesis can think of: the real turn on real PostgreSQL, step by step.

Workers are threads that stop at each named step, so that any order of steps, kills, lost sessions, lost messages, edits and
revocations can be played, again and again the same. What must never be is looked for after every single step.
"""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from canonical.errors import StoreUnavailableError
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.ports import Interaction, Proof
from store import held_lanes
from store.database import open_engine, rows, transaction
from store.due import parked_with_cause_ended
from store.moves import apply_move
from store.proofs import Proofs
from tasks.turn import LaneTurn
from tasks.verify import Verifier
from tests.faults.checker import judge_record, read_record
from tests.faults.remembering_chart import RememberingChart, Weather
from tests.faults.stage import SOON, Died, Steps, with_steps
from tests.tasks.ward import PATIENT, Ward, heart_rate, open_ward

WORKERS = 3
EXAMPLES, STEPS = 60, 30
#: What may come of a command, and how often its mark is then in the chart's history.
ENDS = {State.VERIFIED: 1, State.REJECTED: 0, State.CONFLICTED: 0}
REVIEWS = {
    "predecessor_ended": 0,
    "rejected_payload": 0,
    "attempts_exhausted": 0,
    "attempts-exhausted": 0,
    "gone": 0,
    "possible_duplicate": 1,
}


class SteppedWorker:
    """One turn of a lane in a thread, let on from step to step."""

    def __init__(self, turn: LaneTurn, lane_id: int) -> None:
        steps = Steps()
        steps.reach = self._stop  # type: ignore[method-assign]
        self.turn = turn
        self.lane_id = lane_id
        self.at = ""
        self.lost = False
        self._turn = with_steps(turn, steps)
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._dies = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._await()

    @property
    def ended(self) -> bool:
        return self.at == "end"

    def step(self) -> None:
        """Let it go on to its next step or its end."""
        self._go.release()
        self._await()

    def kill(self) -> None:
        self._dies = True
        self.step()

    def _await(self) -> None:
        assert self._stopped.acquire(timeout=SOON.total_seconds()), f"it hangs after {self.at}"

    def _stop(self, step: str) -> None:
        self.at = step
        self._stopped.release()
        assert self._go.acquire(timeout=SOON.total_seconds())
        if self._dies:
            raise Died

    def _run(self) -> None:
        try:
            self._turn.run(self.lane_id)
        except (StoreUnavailableError, Died):
            pass  # this worker is gone; the invariants judge what it left behind
        finally:
            self.at = "end"
            self._stopped.release()


class Protocol(RuleBasedStateMachine):
    """Two patients, up to three workers, one EHR with weather."""

    shared: Ward

    @initialize(conditional_create=st.booleans(), proof=st.sampled_from(Proof))
    def open(self, conditional_create: bool, proof: Proof) -> None:  # noqa: FBT001
        """Give each example patients, a consent and a chart of its own in the one database."""
        run = uuid4().hex[:12]
        self.chart = RememberingChart(conditional_create=conditional_create, proof=proof)
        self.patients = [f"{run}-{n}" for n in range(2)]
        for patient in self.patients:
            self.chart.admit({**PATIENT, "id": patient})
        self.ward = replace(self.shared, chart=self.chart, consent_id=self._new_consent(), opened=[])
        self._sql("UPDATE connections SET not_before = '-infinity', failures = 0")
        self._sql("UPDATE slots SET until = '-infinity'")
        self._sql("UPDATE switches SET is_on = true")
        self.clock = 0.0
        self.idle: list[LaneTurn] = []
        self._patient_of: dict[UUID, int] = {}
        self.commands: list[UUID] = []
        self.creates: list[UUID] = []
        self.lanes: dict[int, str] = {}
        self.workers: list[SteppedWorker] = []
        self.edited: set[tuple[str, str]] = set()
        self.revoked: dict[int, datetime] = {}
        self.verifier = Verifier(proofs=Proofs(self.ward.engine, actor="test"), ehrs=lambda _t, _c: self.chart)

    # --- what apps and people do

    @rule(patient=st.integers(0, 1), correct=st.booleans(), which=st.integers(0, 5))
    def submit(self, patient: int, correct: bool, which: int) -> None:  # noqa: FBT001
        roots = [item for item in self.creates if self._patient_of[item] == patient]
        who = {"reference": f"Patient/{self.patients[patient]}", "birthDate": "1961-04-02", "family": "Lopez"}
        if correct and roots:
            target = {"command": str(roots[which % len(roots)])}
            accepted = self.ward.submit(heart_rate(operation="correct"), patient=who, target=target)
        else:
            accepted = self.ward.submit(patient=who)
            self.creates.append(accepted.command_id)
            self._patient_of[accepted.command_id] = patient
        assert accepted.lane_id is not None
        self.commands.append(accepted.command_id)
        self.lanes[accepted.lane_id] = self.patients[patient]

    @precondition(lambda self: self.chart.versions)
    @rule(which=st.integers(0, 5))
    def edit(self, which: int) -> None:
        reference = sorted(self.chart.versions)[which % len(self.chart.versions)]
        with self.chart.lock:
            self.chart.edit(reference, note="by a clinician")
        self.edited.add((reference, str(self.chart.resources[reference][0])))

    @rule()
    def revoke(self) -> None:
        consent = self.ward.consent_id
        self._sql("UPDATE consents SET version = version + 1, active = false WHERE id = %(id)s", id=consent)
        self.revoked[consent] = datetime.now(UTC)
        self.ward.consent_id = self._new_consent()

    @rule(on=st.booleans())
    def switch(self, on: bool) -> None:  # noqa: FBT001
        self._sql("UPDATE switches SET is_on = %(on)s WHERE kind = 'action'", on=on)

    # --- what workers do, and what befalls them

    @precondition(lambda self: self.lanes and len(self.workers) < WORKERS)
    @rule(which=st.integers(0, 1))
    def start(self, which: int) -> None:
        lane = sorted(self.lanes)[which % len(self.lanes)]
        self._keep(SteppedWorker(self._take_turn(), lane))

    def _take_turn(self) -> LaneTurn:
        if self.idle:
            return self.idle.pop()
        turn = self.ward.turn()
        return replace(turn, most=3, journey=replace(turn.journey, now=lambda: self.clock))

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, WORKERS), steps=st.integers(1, 4))
    def go_on(self, which: int, steps: int) -> None:
        worker = self.workers.pop(which % len(self.workers))
        for _ in range(steps):
            if not worker.ended:
                worker.step()
        self._keep(worker)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, WORKERS))
    def kill(self, which: int) -> None:
        worker = self.workers.pop(which % len(self.workers))
        worker.kill()
        self._keep(worker)

    @precondition(lambda self: any(self._may_lose(worker) for worker in self.workers))
    @rule(which=st.integers(0, WORKERS))
    def lose_session(self, which: int) -> None:
        able = [worker for worker in self.workers if self._may_lose(worker)]
        worker = able[which % len(able)]
        for row in self._sql(_HOLDER, lane=worker.lane_id):
            self._sql("SELECT pg_terminate_backend(%(pid)s, 5000)", pid=row["pid"])
        worker.lost = True

    def _may_lose(self, worker: SteppedWorker) -> bool:
        """A sender past its last check that loses its session can write twice where the EHR has no guard: T4, physics."""
        return not worker.lost and (self.chart.conditional_create or worker.at != "before_send")

    def _keep(self, worker: SteppedWorker) -> None:
        if worker.ended:
            self.idle.append(worker.turn)
        else:
            self.workers.append(worker)

    # --- what time and the network do

    @rule(forecast=st.lists(st.sampled_from(Weather), max_size=4))
    def weather(self, forecast: list[Weather]) -> None:
        self.chart.forecast = list(forecast)

    @rule()
    def lease_passes(self) -> None:
        self.clock += self.chart.timings.lease.total_seconds()
        self._sql("UPDATE lanes SET lease_until = clock_timestamp() WHERE lease_until > clock_timestamp()")
        self._sql("UPDATE slots SET until = clock_timestamp() WHERE until > clock_timestamp()")

    @rule()
    def quarantine_passes(self) -> None:
        """It is longer than the EHR's slowest commit: whatever was under way has landed by then."""
        self.chart.land()
        self._sql("UPDATE lanes SET quarantine_until = clock_timestamp() WHERE quarantine_until > clock_timestamp()")

    @rule()
    def outage_ends(self) -> None:
        self._sql("UPDATE connections SET not_before = '-infinity'")
        self._unpark()

    @rule()
    def prove(self) -> None:
        for row in self._own("SELECT id FROM commands WHERE id = ANY (%(own)s) AND state = 'applied'"):
            self.verifier.run(row["id"])

    # --- what must never be

    @invariant()
    def never(self) -> None:
        if not hasattr(self, "ward"):
            return
        now = self._own(_STANDING)
        self._nothing_twice()
        self._no_edit_overwritten()
        busy = [row["lane_id"] for row in now if row["state"] in {State.SENDING, State.UNKNOWN}]
        assert len(busy) == len(set(busy)), "two of a lane are in flight"
        for row in now:
            written = self.chart.written(str(row["id"]))
            assert row["state"] != State.VERIFIED or written == 1, (
                f"{row['id']} is called verified, and is not in the chart"
            )
            assert row["attempts"] > 0 or written == 0, f"{row['id']} was written without an attempt"
            revoked = self.revoked.get(row["consent_id"])
            assert not (revoked and row["claimed_at"]) or row["claimed_at"] <= revoked, "claimed without consent"

    def _nothing_twice(self) -> None:
        for command in self.commands:
            assert self.chart.written(str(command)) <= 1, f"{command} was written twice"
        for root in self.creates:
            assert len(self.chart.marked(str(root))) <= 1, f"{root} is two resources"

    def _no_edit_overwritten(self) -> None:
        for operation in self.chart.sent:
            if operation.interaction is Interaction.UPDATE:
                assert operation.if_match, "an update left without a precondition"
                assert (operation.reference, operation.if_match) not in self.edited, "its author never saw that version"

    # --- and at the end nothing is lost

    def teardown(self) -> None:
        if not hasattr(self, "ward"):
            return
        while self.workers:
            worker = self.workers.pop()
            while not worker.ended:
                worker.step()
            self._keep(worker)
        self.chart.forecast = []
        self.switch(on=True)
        try:
            self._settle_down()
            self.never()
            self._ends()
        finally:
            self.ward.close()

    def _settle_down(self) -> None:
        turn = self._take_turn()
        for _ in range(40):
            self.lease_passes()
            self.quarantine_passes()
            self.outage_ends()
            self._sql("UPDATE commands SET due_at = clock_timestamp() WHERE due_at > clock_timestamp()")
            moved = sum(turn.run(lane).moved for lane in self.lanes)
            before = self._states()
            self.prove()
            if not moved and before == self._states():
                return
        raise AssertionError(f"it never comes to rest: {self._states()}")

    def _ends(self) -> None:
        waits_for_person: set[str] = set()
        for row in self._states():
            state, times = State(row["state"]), self.chart.written(str(row["id"]))
            if state is State.READY:
                assert row["subject"] in waits_for_person, f"{row} waits for nobody"
                assert times == 0
            elif state is State.IN_REVIEW:
                assert times == REVIEWS[row["state_reason"]], f"{row} is {times} times in the chart"
                waits_for_person.add(row["subject"])
            else:
                assert times == ENDS[state], f"{row} is {times} times in the chart"
                if state is State.CONFLICTED:
                    waits_for_person.add(row["subject"])
        record = read_record(self.shared.url)
        own = set(self.commands)
        for listed in (record.events, record.attempts):
            listed[:] = [row for row in listed if row["command_id"] in own]
        record.commands[:] = [row for row in record.commands if row["id"] in own]
        assert judge_record(record) == []

    def _states(self) -> list[dict[str, Any]]:
        return self._own(
            "SELECT id, subject, state, state_reason, event_seq FROM commands WHERE id = ANY (%(own)s) ORDER BY lane_id, lane_seq"
        )

    def _unpark(self) -> None:
        with transaction(self.ward.engine) as connection:
            for command in parked_with_cause_ended(connection, limit=100):
                apply_move(connection, command, move(State.PARKED, Trigger.CAUSE_ENDED), actor="test")

    def _own(self, sql: str) -> list[dict[str, Any]]:
        return self._sql(sql, own=self.commands)

    def _sql(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        return self.shared.query(sql, **parameters)

    def _new_consent(self) -> int:
        with transaction(self.shared.engine) as connection:
            return int(rows(connection, _CONSENT, {"reference": uuid4().hex})[0]["id"])


_HOLDER = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %(lane)s
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_STANDING = """
SELECT c.id, c.lane_id, c.state, c.attempts, c.consent_id,
       (SELECT max(a.claimed_at) FROM attempts a WHERE a.command_id = c.id AND a.kind = 'send') AS claimed_at
  FROM commands c WHERE c.id = ANY (%(own)s)
"""
_CONSENT = """
INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps, valid_from)
VALUES ('t1', %(reference)s, '', 1, true, '{TREAT}', '{}', '{}', now()) RETURNING id
"""


def test_no_interleaving_of_faults_loses_doubles_or_overwrites(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_lanes, "_SETTLE_AGAIN", (0.0, 0.0, 0.1))
    engine = open_engine(database_url)
    Protocol.shared = open_ward(engine, database_url)
    try:
        run_state_machine_as_test(
            Protocol,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        Protocol.shared.close()
        engine.dispose()
