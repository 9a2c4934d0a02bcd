from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from canonical.ports import Proof
from canonical.proving import Verdict
from store.proofs import Proofs
from store.watch_list import WatchList
from tasks.dispatch import Dispatcher
from tasks.locks import Grip
from tasks.turn import TurnReport
from tasks.verify import Verifier, VerifyReport
from tests.tasks.ward import Ward


@dataclass
class Turns:
    report: TurnReport
    taken: list[int] = field(default_factory=list)

    def run(self, lane_id: int) -> TurnReport:
        self.taken.append(lane_id)
        return self.report


@dataclass
class Proving:
    followers: bool = False
    looked: list[UUID] = field(default_factory=list)

    def run(self, command_id: UUID) -> VerifyReport:
        self.looked.append(command_id)
        return VerifyReport(verdict=Verdict.PROVEN, lane_id=7, followers=self.followers)


@dataclass
class Forgetting:
    lanes: list[int] = field(default_factory=list)

    def forget_stumbles(self, lane_id: int) -> None:
        self.lanes.append(lane_id)


@contextmanager
def knocked_at(_lane_id: int) -> Iterator[Grip]:
    grip = Grip(free=True)
    yield grip
    grip.knocked = True


def free(_lane_id: int) -> AbstractContextManager[Grip]:
    return nullcontext(Grip(free=True))


def taken(_lane_id: int) -> AbstractContextManager[Grip]:
    return nullcontext(Grip(free=False))


def dispatcher(
    report: TurnReport, *, lock: object = free, followers: bool = False
) -> tuple[Dispatcher, Turns, Proving, Forgetting]:
    turns, proving, forgetting = Turns(report), Proving(followers), Forgetting()
    made = Dispatcher(turn=turns, verifier=proving, stumbles=forgetting, lock=lock)  # type: ignore[arg-type]
    return made, turns, proving, forgetting


def test_a_lane_that_somebody_is_at_is_left_without_a_further_hint() -> None:
    made, turns, _, _ = dispatcher(TurnReport(lane_id=7), lock=taken)
    assert not made.run(7)
    assert turns.taken == []


def test_a_lane_whose_session_lock_is_held_makes_no_storm_of_hints() -> None:
    made, turns, _, forgetting = dispatcher(TurnReport(lane_id=7, locked=True), lock=knocked_at)
    assert not made.run(7)
    assert turns.taken == [7]
    assert forgetting.lanes == []


def test_a_turn_that_stopped_at_its_cap_asks_for_another() -> None:
    made, _, _, _ = dispatcher(TurnReport(lane_id=7, moved=20, more=True))
    assert made.run(7)


def test_a_lane_capped_by_its_connection_waits_for_the_sweep() -> None:
    made, _, _, _ = dispatcher(TurnReport(lane_id=7))
    assert not made.run(7)


def test_who_came_in_vain_during_the_turn_is_made_up_for() -> None:
    """A command committed after the turn's last look, whose hint met the lock."""
    made, _, _, _ = dispatcher(TurnReport(lane_id=7, moved=1), lock=knocked_at)
    assert made.run(7)


def test_what_a_turn_wrote_is_proven_right_after_it() -> None:
    command = uuid4()
    made, _, proving, _ = dispatcher(TurnReport(lane_id=7, moved=1, applied=(str(command),)))
    assert not made.run(7)
    assert proving.looked == [command]


def test_what_waited_for_a_proof_goes_on() -> None:
    made, _, _, _ = dispatcher(TurnReport(lane_id=7, moved=1, applied=(str(uuid4()),)), followers=True)
    assert made.run(7)


@pytest.mark.parametrize(("moved", "forgotten"), [(0, [7]), (1, [])])
def test_a_turn_that_came_back_alive_without_moving_anything_is_no_stumble(moved: int, forgotten: list[int]) -> None:
    made, _, _, forgetting = dispatcher(TurnReport(lane_id=7, moved=moved))
    made.run(7)
    assert forgetting.lanes == forgotten


def real(ward: Ward) -> Dispatcher:
    return Dispatcher(
        turn=ward.turn(),
        verifier=Verifier(proofs=Proofs(ward.engine, actor="test"), ehrs=lambda _tenant, _name: ward.chart),
        stumbles=WatchList(ward.engine, actor="test"),
        lock=free,
    )


def test_a_command_is_in_the_chart_after_one_dispatch(ward: Ward) -> None:
    ward.chart.proof = Proof.READ_BACK
    accepted = ward.submit()
    assert accepted.lane_id is not None
    assert not real(ward).run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert ward.events(accepted.command_id) == ["received", "accepted", "claimed", "answered_applied", "proven"]
    assert ward.attempts(accepted.command_id) == [("send", "applied")]
    assert len(ward.chart.marked(str(accepted.command_id))) == 1
    assert ward.is_at_rest()


def test_a_lane_kept_waiting_by_its_connection_s_cap_is_never_taken_for_a_poison(ward: Ward) -> None:
    """Each such turn comes back alive; only a turn that never comes back may count."""
    accepted = ward.submit()
    assert accepted.lane_id is not None
    ward.query("UPDATE slots SET until = clock_timestamp() + interval '1 hour'")
    watch, dispatch = WatchList(ward.engine, actor="test"), real(ward)
    for _ in range(12):
        watch.count_stumbles([accepted.lane_id])
        dispatch.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "ready"
    ward.query("UPDATE slots SET until = '-infinity'")
    dispatch.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
