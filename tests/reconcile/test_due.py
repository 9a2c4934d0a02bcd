from datetime import timedelta

from config.wiring import Services
from reconcile import due
from reconcile.due import Config
from tests.reconcile.conftest import Noted, let_wait, other_connection
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


def take_places(ward: Ward, connection_id: int, *, but: int = 0) -> None:
    ward.query(
        "UPDATE slots SET until = clock_timestamp() + interval '1 minute' WHERE connection_id = %(id)s AND no > %(but)s",
        id=connection_id,
        but=but,
    )


def test_a_full_connection_s_many_lanes_do_not_hide_another_s_urgent_command(
    ward: Ward, services: Services, hands: Noted
) -> None:
    waiting = [ward.submit(new={"patient_key": bytes([n])}) for n in range(210)]
    take_places(ward, ward.connection_id)
    let_wait(ward, 3600)
    stat = ward.submit(new={"connection_id": other_connection(ward), "priority": "stat"})
    let_wait(ward, 1)
    due.run_once(services, hands)
    assert stat.lane_id in hands.lanes
    assert sum(one.lane_id in hands.lanes for one in waiting) == 1


def test_a_connection_with_many_lanes_waiting_gives_no_more_than_it_has_places_free_before_the_others(
    ward: Ward, services: Services, hands: Noted
) -> None:
    waiting = {ward.submit(new={"patient_key": bytes([n])}).lane_id for n in range(10)}
    take_places(ward, ward.connection_id, but=2)
    let_wait(ward, 3600)
    other = other_connection(ward)
    late = [ward.submit(new={"connection_id": other, "patient_key": bytes([n])}).lane_id for n in range(2)]
    let_wait(ward, 1)
    due.run_once(services, hands, Config(limit=6))
    assert set(hands.lanes[:2]) <= waiting
    assert hands.lanes[2:4] == late
    assert set(hands.lanes[4:]) <= waiting


def test_lanes_that_stay_due_at_one_connection_do_not_hide_a_suspect_of_another(
    ward: Ward, services: Services, hands: Noted
) -> None:
    for n in range(5):
        ward.submit(new={"patient_key": bytes([n])})
    let_wait(ward, 3600)
    suspect = ward.submit(new={"connection_id": other_connection(ward)})
    let_wait(ward, 60)
    take_places(ward, ward.connection_id)
    due.run_once(services, hands, Config(suspects=2))
    found = ward.query("SELECT stumbles FROM lanes WHERE id = %(id)s", id=suspect.lane_id)
    assert found == [{"stumbles": 1}]
