from datetime import timedelta

from config.wiring import Services
from reconcile import due
from reconcile.due import Config
from tests.reconcile.conftest import Noted, let_wait
from tests.tasks.ward import Ward


def stumbles(ward: Ward) -> int:
    return int(ward.query("SELECT stumbles FROM lanes")[0]["stumbles"])


def test_a_lane_whose_hint_was_lost_is_found(ward: Ward, services: Services, hands: Noted) -> None:
    accepted = ward.submit()
    let_wait(ward, 1)
    assert due.run_once(services, hands) == {"lanes": 1, "stumbles": 0}
    assert hands.lanes == [accepted.lane_id]


def test_a_lane_that_fell_due_just_now_is_left_to_its_hint(ward: Ward, services: Services, hands: Noted) -> None:
    ward.submit()
    assert due.run_once(services, hands, Config(grace=timedelta(minutes=1))) == {"lanes": 0, "stumbles": 0}


def test_a_command_that_is_not_due_is_left_alone(ward: Ward, services: Services, hands: Noted) -> None:
    ward.submit()
    ward.query("UPDATE commands SET due_at = clock_timestamp() + interval '1 hour'")
    assert due.run_once(services, hands)["lanes"] == 0


def test_a_lane_that_is_leased_is_left_alone(ward: Ward, services: Services, hands: Noted) -> None:
    ward.submit()
    let_wait(ward, 60)
    ward.query("UPDATE lanes SET lease_until = clock_timestamp() + interval '1 minute'")
    assert due.run_once(services, hands) == {"lanes": 0, "stumbles": 0}


def test_a_lane_of_a_closed_connection_is_left_alone(ward: Ward, services: Services, hands: Noted) -> None:
    ward.submit()
    let_wait(ward, 60)
    ward.query("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert due.run_once(services, hands) == {"lanes": 0, "stumbles": 0}


def test_the_most_urgent_lane_comes_first(ward: Ward, services: Services, hands: Noted) -> None:
    routine = ward.submit(new={"patient_key": b"1"})
    stat = ward.submit(new={"patient_key": b"2", "priority": "stat"})
    let_wait(ward, 1)
    due.run_once(services, hands)
    assert hands.lanes == [stat.lane_id, routine.lane_id]


def test_no_more_lanes_are_taken_than_workers_can_begin(ward: Ward, services: Services, hands: Noted) -> None:
    for patient in (b"1", b"2", b"3"):
        ward.submit(new={"patient_key": patient})
    let_wait(ward, 1)
    assert due.run_once(services, hands, Config(limit=2))["lanes"] == 2


def test_a_lane_that_stays_due_is_counted_as_stumbling_at_every_run(
    ward: Ward, services: Services, hands: Noted
) -> None:
    ward.submit()
    let_wait(ward, 60)
    assert due.run_once(services, hands)["stumbles"] == 1
    due.run_once(services, hands)
    assert stumbles(ward) == 2


def test_a_claim_ends_the_count(ward: Ward, services: Services, hands: Noted) -> None:
    accepted = ward.submit()
    let_wait(ward, 60)
    due.run_once(services, hands)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert stumbles(ward) == 0


def test_hints_that_nobody_took_are_not_counted_as_given(ward: Ward, services: Services) -> None:
    ward.submit()
    let_wait(ward, 1)
    assert due.run_once(services, Noted(busy=True))["lanes"] == 0
