"""Finding 17 and trap 26: the answer to a COMMIT is lost, so nobody knows whether it was committed.

The proxy cuts the connection over which a claim, a settle, a probe or a receipt is being committed: before PostgreSQL sees
it, or when PostgreSQL has answered.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from canonical.errors import StoreUnavailableError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation
from processes.condition import wait_until
from store import held_lanes
from store.database import open_engine, open_session
from store.held_lanes import PostgresLanes
from tasks.turn import LaneTurn
from tests.faults.proxy import Cut, Mode, TcpProxy
from tests.faults.stage import SOON, Stage, Steps, with_steps
from tests.tasks.ward import Ward

#: Words of each statement that no other one has, as a session sends them.
CLAIM = b"SELECT at.id AS attempt_id"
SETTLE = b"SELECT cm.event_seq, cm.root FROM cm"
EXPIRE = b"'lease expired'"
CLAIM_PROBE = b"'prober lost'"
CUTS = pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AT_REPLY])


@pytest.fixture
def turn(stage: Stage, proxied_url: str) -> LaneTurn:
    """A worker's turn whose lane session passes the proxy."""
    lanes = PostgresLanes(proxied_url, actor="test")
    stage.ward.opened.append(lanes)
    return replace(stage.ward.turn(), lanes=lanes)


def _run(stage: Stage, turn: LaneTurn, lane_id: int | None) -> None:
    """Take a turn that loses PostgreSQL; the next one finds the lane free."""
    assert lane_id is not None
    with pytest.raises(StoreUnavailableError):
        stage.ward.run(lane_id, turn)
    stage.wait_until_free(lane_id)


def _lose_one_request(stage: Stage) -> None:
    lost: list[Operation] = []

    def lose(operation: Operation) -> Settlement | None:
        if lost:
            return None
        lost.append(operation)
        return Settlement(outcome=Outcome.UNKNOWN)

    stage.ward.chart.on_send = lose


@CUTS
def test_a_claim_of_unknown_fate_sends_nothing(
    stage: Stage, turn: LaneTurn, postgres_proxy: TcpProxy, cut: Cut
) -> None:
    accepted = stage.submit()
    postgres_proxy.cut("claim", CLAIM, cut=cut)

    _run(stage, turn, accepted.lane_id)

    assert postgres_proxy.fired["claim"] == 1
    assert stage.ward.chart.sent == []
    claimed = cut is Cut.AT_REPLY
    assert stage.ward.state(accepted.command_id) == ("sending" if claimed else "ready")
    stage.settle_down()
    found_out = [("send", "unknown"), ("probe", "probe_not_applied")] if claimed else []
    assert stage.ward.attempts(accepted.command_id) == [*found_out, ("send", "applied")]
    assert stage.findings() == []


@CUTS
@pytest.mark.parametrize("times", [1, 3])
def test_a_settle_of_unknown_fate_is_repeated_until_it_is_known(
    stage: Stage, turn: LaneTurn, postgres_proxy: TcpProxy, cut: Cut, times: int
) -> None:
    accepted = stage.submit()
    postgres_proxy.cut("settle", SETTLE, cut=cut, times=times)

    _run(stage, turn, accepted.lane_id)

    assert postgres_proxy.fired["settle"] == times
    assert stage.ward.state(accepted.command_id) == "verified"
    assert stage.ward.events(accepted.command_id) == ["received", "accepted", "claimed", "answered_proven"]
    assert len(stage.ward.chart.sent) == 1
    assert stage.ward.cases(accepted.command_id) == []
    assert stage.findings() == []


def test_a_settle_waits_for_a_database_that_comes_back(stage: Stage, turn: LaneTurn, postgres_proxy: TcpProxy) -> None:
    accepted = stage.submit()
    comes_back = threading.Timer(0.3, lambda: setattr(postgres_proxy, "mode", Mode.PASS))

    def goes_away() -> None:
        postgres_proxy.mode = Mode.REFUSE
        comes_back.start()

    steps = Steps(calls={"after_answer": goes_away})

    _run(stage, with_steps(turn, steps), accepted.lane_id)

    comes_back.join()
    assert postgres_proxy.fired["reset"] >= 1
    assert stage.ward.attempts(accepted.command_id) == [("send", "applied")]
    assert stage.findings() == []


def test_an_outcome_that_could_not_be_stored_is_found_out_by_a_probe(
    stage: Stage, turn: LaneTurn, postgres_proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_lanes, "_SETTLE_AGAIN", (0.01, 0.01))
    stage.ward.chart.conditional_create = False
    accepted = stage.submit()
    steps = Steps(calls={"after_answer": lambda: setattr(postgres_proxy, "mode", Mode.REFUSE)})

    _run(stage, with_steps(turn, steps), accepted.lane_id)

    assert stage.ward.state(accepted.command_id) == "sending"
    stage.settle_down()
    assert stage.ward.attempts(accepted.command_id) == [("send", "unknown"), ("probe", "probe_applied")]
    assert len(stage.ward.chart.sent) == 1
    assert stage.findings() == []


@CUTS
@pytest.mark.parametrize("statement", [EXPIRE, CLAIM_PROBE, SETTLE])
def test_healing_of_unknown_fate_is_done_again(
    stage: Stage, turn: LaneTurn, postgres_proxy: TcpProxy, cut: Cut, statement: bytes
) -> None:
    """The sweep's move to unknown, the claim of a probe and the settle of its answer."""
    stage.ward.chart.conditional_create = False
    accepted = stage.submit()
    with stage.paused(accepted.lane_id, at="before_send") as sender:
        sender.die()
    stage.end_lease()
    if statement != EXPIRE:
        stage.ward.run(accepted.lane_id)
        stage.end_quarantine()
    postgres_proxy.cut("healing", statement, cut=cut)

    _run(stage, turn, accepted.lane_id)

    assert postgres_proxy.fired["healing"] == 1
    stage.settle_down()
    assert len(stage.ward.chart.sent) == 1
    assert stage.findings() == []


# --- the receipt ------------------------------------------------------------------------------------------------------


@pytest.fixture
def door(stage: Stage, proxied_url: str) -> Iterator[Ward]:
    """The door's connections pass the proxy."""
    engine = open_engine(proxied_url)
    yield replace(stage.ward, engine=engine)
    engine.dispose()


@CUTS
def test_a_receipt_of_unknown_fate_is_asked_for_again_and_makes_one_command(
    stage: Stage, door: Ward, postgres_proxy: TcpProxy, cut: Cut
) -> None:
    """Trap 26."""
    postgres_proxy.cut("receipt", b"COMMIT", cut=cut)

    with pytest.raises(StoreUnavailableError):
        door.submit(key="key-00001")

    assert postgres_proxy.fired["receipt"] == 1
    accepted = stage.submit(key="key-00001", door=door)
    assert accepted.replayed == (cut is Cut.AT_REPLY)
    stage.settle_down()
    assert stage.findings() == []


def test_a_repeated_request_waits_for_the_commit_that_is_still_under_way(
    stage: Stage, door: Ward, postgres_proxy: TcpProxy
) -> None:
    """Trap 26, with PostgreSQL busy committing for longer than its client waits."""
    stage.ward.query(_WAITING_COMMIT_FUNCTION)
    stage.ward.query(_WAITING_COMMIT)
    postgres_proxy.cut("receipt", b"COMMIT", cut=Cut.AFTER)

    with open_session(stage.ward.url) as gate, ThreadPoolExecutor(1) as app:
        gate.execute("SELECT pg_advisory_lock(0, 0)")
        with pytest.raises(StoreUnavailableError):
            door.submit(key="key-00001")
        assert stage.ward.query("SELECT 1 FROM commands") == [], "the first commit must still be under way"
        again = app.submit(stage.submit, key="key-00001", door=door)
        # The commit waits for the gate, and the request that was sent again for that commit.
        assert wait_until(lambda: len(stage.ward.query(_WAITING)) == 2, within=SOON)
        gate.execute("SELECT pg_advisory_unlock_all()")
        accepted = again.result()

    assert postgres_proxy.fired["receipt"] == 1
    assert accepted.replayed
    stage.settle_down()
    assert stage.findings() == []


_WAITING_COMMIT_FUNCTION = """
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared(0, 0); RETURN NULL; END'
"""
_WAITING_COMMIT = """
CREATE CONSTRAINT TRIGGER waiting_commit AFTER INSERT ON commands DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate()
"""
_WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
