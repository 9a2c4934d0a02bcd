"""Workers of one process on real PostgreSQL, each in a thread that stops at a named step; it kills no process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from canonical.errors import StoreUnavailableError
from canonical.lifecycle import State
from canonical.ports import Ehr
from processes.condition import wait_until
from store.intake import Accepted
from store.proofs import Proofs
from tasks.faultpoints import STEPS, Faultpoints
from tasks.turn import LaneTurn, TurnReport
from tasks.verify import Verifier
from tests.faults.checker import Receipt, Written, judge, read_record
from tests.tasks.ward import PATIENT as WHO
from tests.tasks.ward import Ward

SOON = timedelta(seconds=10)
VALUE = "72.50"


class Died(BaseException):
    """A thread's stand-in for SIGKILL: nothing of ours may catch it."""


@dataclass
class Steps(Faultpoints):
    """Calls what is given for a step whenever a worker reaches it; ``reached`` lists the steps in order."""

    calls: dict[str, Callable[[], None]] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert set(self.calls) <= set(STEPS), "no such step"

    def reach(self, step: str) -> None:
        self.reached.append(step)
        if step in self.calls:
            self.calls[step]()


def with_steps(turn: LaneTurn, steps: Faultpoints) -> LaneTurn:
    """``turn`` with faults at its steps."""
    return replace(
        turn,
        faultpoints=steps,
        journey=replace(turn.journey, faultpoints=steps),
        probing=replace(turn.probing, faultpoints=steps),
    )


class PausedWorker:
    """A worker that takes one turn of a lane in a thread and stops at ``at`` until it is told to go on.

    ``result`` is its report, ``None`` when it lost PostgreSQL or died.
    """

    def __init__(self, turn: LaneTurn, lane_id: int, *, at: str) -> None:
        self.steps = Steps(calls={at: self._pause})
        self.result: TurnReport | None = None
        self._turn = with_steps(turn, self.steps)
        self._lane_id = lane_id
        self._stopped, self._go = threading.Event(), threading.Event()
        self._dies = False
        self._thread = threading.Thread(target=self._run, name=f"paused at {at}")

    def start(self) -> Self:
        """Start it and wait until it stopped."""
        self._thread.start()
        assert self._stopped.wait(SOON.total_seconds()), "the worker never came to the step"
        return self

    def go_on(self) -> TurnReport | None:
        """Let it go on and end its turn."""
        self._go.set()
        self._thread.join(SOON.total_seconds())
        assert not self._thread.is_alive(), "the worker never ended its turn"
        return self.result

    def die(self) -> None:
        """Let it end here, as a kill would: its session closes and nothing else happens."""
        self._dies = True
        self.go_on()

    def _pause(self) -> None:
        if self._stopped.is_set():
            return
        self._stopped.set()
        assert self._go.wait(SOON.total_seconds()), "nobody told the worker to go on"
        if self._dies:
            raise Died

    def _run(self) -> None:
        try:
            self.result = self._turn.run(self._lane_id)
        except (StoreUnavailableError, Died):
            self.result = None


class Stage:
    """A ward with workers on it and the judgement at the end."""

    def __init__(self, ward: Ward) -> None:
        self.ward = ward
        self.receipts: list[Receipt] = []
        self._verifier = Verifier(
            proofs=Proofs(ward.engine, actor="test"), ehrs=lambda _tenant, _connection: ward.chart
        )

    def submit(self, *arguments: Any, patient: str = "p1", door: Ward | None = None, **more: Any) -> Accepted:
        """Accept a command for ``Patient/<patient>``, who is admitted, and remember the receipt."""
        self.ward.chart.admit({**WHO, "id": patient})
        named = {"reference": f"Patient/{patient}", "birthDate": WHO["birthDate"], "family": "Lopez"}
        accepted = (door or self.ward).submit(*arguments, **{"patient": named, **more})
        if all(receipt.command != accepted.command_id for receipt in self.receipts):
            self.receipts.append(Receipt(command=accepted.command_id, patient=f"Patient/{patient}", value=VALUE))
        return accepted

    @contextmanager
    def paused(self, lane_id: int | None, *, at: str, chart: Ehr | None = None) -> Iterator[PausedWorker]:
        """A worker stopped at ``at`` in its turn of the lane; let go at the end at the latest."""
        assert lane_id is not None
        worker = PausedWorker(self.ward.turn(chart=chart), lane_id, at=at).start()
        try:
            yield worker
        finally:
            if worker.go_on() is None:
                self.wait_until_free(lane_id)

    def _holders(self, lane_id: int) -> list[dict[str, Any]]:
        return self.ward.query(_HOLDER, lane=lane_id)

    def wait_until_free(self, lane_id: int) -> None:
        """Wait until nobody holds the lane: PostgreSQL frees a lost session's lock when it notices, and not at once."""
        assert wait_until(lambda: not self._holders(lane_id), within=SOON), "somebody still holds the lane"

    def lose_session(self, lane_id: int | None) -> None:
        """End the database session that holds the lane's lock, as a failing network would."""
        assert lane_id is not None
        held = self._holders(lane_id)
        assert held, "nobody holds the lane"
        self.ward.query("SELECT pg_terminate_backend(%(pid)s)", pid=held[0]["pid"])
        self.wait_until_free(lane_id)

    def end_lease(self) -> None:
        """Let the leases of all lanes and slots end now, as waiting would; quarantines go on."""
        self.ward.query("UPDATE lanes SET lease_until = clock_timestamp() WHERE lease_until > clock_timestamp()")
        self.ward.query("UPDATE slots SET until = clock_timestamp() WHERE until > clock_timestamp()")

    def end_quarantine(self) -> None:
        self.ward.query(
            "UPDATE lanes SET quarantine_until = clock_timestamp() WHERE quarantine_until > clock_timestamp()"
        )

    def lane(self, lane_id: int | None) -> dict[str, Any]:
        return self.ward.query("SELECT fence, stumbles FROM lanes WHERE id = %(lane)s", lane=lane_id)[0]

    def prove(self) -> None:
        """Verify what was applied, as the sweep would."""
        for row in self.ward.query("SELECT id FROM commands WHERE state = 'applied'"):
            self._verifier.run(row["id"])

    def settle_down(self) -> None:
        """Take turns, let time pass and prove until nothing moves any more."""
        for _ in range(20):
            self.end_lease()
            self.end_quarantine()
            lanes = [row["id"] for row in self.ward.query("SELECT id FROM lanes ORDER BY id")]
            for lane in lanes:
                self.wait_until_free(lane)
            moved = sum(self.ward.run(lane).moved for lane in lanes)
            before = self._states()
            self.prove()
            if not moved and before == self._states():
                return
        raise AssertionError("it never comes to rest")

    def findings(self, *, ended: dict[UUID, State] | None = None) -> list[str]:
        """What the judge finds wrong, as text."""
        found = judge(read_record(self.ward.url), self.receipts, written_in(self.ward), ended=ended)
        return [f"{item.rule}: {item.what}" for item in found]

    def _states(self) -> list[dict[str, Any]]:
        return self.ward.query("SELECT id, state, event_seq FROM commands ORDER BY id")


_HOLDER = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %(lane)s
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def written_in(ward: Ward) -> list[Written]:
    """What the chart of ``ward`` holds of ours."""
    return [
        Written(
            mark=body["mark"],
            reference=reference,
            patient=body["subject"],
            value=str(body["action"]["valueQuantity"]["value"]),
        )
        for reference, (_, body) in ward.chart.resources.items()
        if "mark" in body
    ]
