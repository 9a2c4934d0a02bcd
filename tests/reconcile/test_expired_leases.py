import threading
from pathlib import Path

from canonical.outcome import Settlement
from canonical.ports import Operation
from config.wiring import Services
from reconcile import expired_leases
from tests.reconcile.conftest import Noted
from tests.tasks.ward import Ward


def abandon(ward: Ward) -> int:
    """Leave a command claimed, as a worker that was killed does; its session lock is gone with it."""

    def die(_operation: Operation) -> Settlement | None:
        raise SystemExit

    accepted = ward.submit()
    ward.chart.on_send = die
    try:
        ward.run(accepted.lane_id)
    except SystemExit:
        ward.chart.on_send = lambda _operation: None
    assert ward.state(accepted.command_id) == "sending"
    assert accepted.lane_id is not None
    return accepted.lane_id


def end_lease(ward: Ward) -> None:
    ward.query("UPDATE lanes SET lease_until = clock_timestamp() - interval '1 second'")


def test_a_claim_within_its_lease_is_left_alone(ward: Ward, services: Services, hands: Noted) -> None:
    lane = abandon(ward)
    # However long this machine takes: its lease has an hour to go.
    ward.query("UPDATE lanes SET lease_until = clock_timestamp() + interval '1 hour' WHERE id = %(lane)s", lane=lane)
    assert expired_leases.run_once(services, hands) == {"lanes": 0, "held": 0}


def test_a_claim_that_outlived_its_lease_is_given_to_the_next_holder(
    ward: Ward, services: Services, hands: Noted
) -> None:
    lane = abandon(ward)
    end_lease(ward)
    assert expired_leases.run_once(services, hands) == {"lanes": 1, "held": 0}
    assert hands.lanes == [lane]
    services.dispatcher.run(lane)
    (row,) = ward.query("SELECT id, state FROM commands")
    assert row["state"] == "unknown"
    assert ward.events(row["id"])[-1] == "lease_expired"
    assert ward.chart.sent == []


def test_a_holder_that_is_still_there_is_reported_and_not_driven_out(
    ward: Ward, services: Services, hands: Noted, tmp_path: Path
) -> None:
    """A paused worker keeps its session lock past its lease: nobody may send in its place."""
    inside, go_on = threading.Event(), threading.Event()

    def pause(_operation: Operation) -> Settlement | None:
        inside.set()
        assert go_on.wait(20)
        return None

    ward.chart.on_send = pause
    accepted = ward.submit()
    worker = threading.Thread(target=ward.run, args=(accepted.lane_id, ward.turn()))
    worker.start()
    try:
        assert inside.wait(20)
        end_lease(ward)
        assert expired_leases.run_once(services, hands) == {"lanes": 0, "held": 1}
        assert hands.lanes == []
        assert accepted.lane_id is not None
        assert not services.dispatcher.run(accepted.lane_id)
        assert ward.state(accepted.command_id) == "sending"
    finally:
        go_on.set()
        worker.join()
    assert ward.state(accepted.command_id) == "verified"
    assert len(ward.chart.sent) == 1
