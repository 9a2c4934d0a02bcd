from uuid import UUID

from canonical.outcome import Outcome, Settlement
from config.wiring import Services
from reconcile import parked
from reconcile.parked import Config
from store.connections import flip_switch
from tests.reconcile.conftest import Noted, let_wait, other_connection
from tests.tasks.ward import Ward


def park(ward: Ward, **more: bytes) -> UUID:
    """Have the EHR refuse for an outage, which parks the command and closes the connection."""
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.UNAVAILABLE)
    accepted = ward.submit(new=dict(more))
    ward.run(accepted.lane_id)
    ward.chart.on_send = lambda _operation: None
    assert ward.state(accepted.command_id) == "parked"
    return accepted.command_id


def reopen(ward: Ward) -> None:
    ward.query("UPDATE connections SET not_before = '-infinity'")


def test_what_was_parked_stays_while_the_connection_is_closed(ward: Ward, services: Services, hands: Noted) -> None:
    command = park(ward)
    ward.query("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert parked.run_once(services, hands) == {"lanes": 0}
    assert ward.state(command) == "parked"


def test_what_was_parked_goes_on_when_the_connection_is_open_again(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command = park(ward)
    reopen(ward)
    assert parked.run_once(services, hands) == {"lanes": 1}
    assert ward.state(command) == "ready"
    assert ward.events(command)[-1] == "cause_ended"
    services.dispatcher.run(hands.lanes[0])
    assert ward.state(command) == "verified"
    assert len(ward.chart.marked(str(command))) == 1


def test_parking_costs_no_attempt_of_the_budget(ward: Ward, services: Services, hands: Noted) -> None:
    command = park(ward)
    (row,) = ward.query("SELECT spent, attempts FROM commands WHERE id = %(id)s", id=command)
    assert (row["spent"], row["attempts"]) == (0, 1)


def test_what_was_parked_stays_while_a_switch_is_off(ward: Ward, services: Services, hands: Noted) -> None:
    command = park(ward)
    reopen(ward)
    flip_switch(ward.engine, tenant="t1", kind="connection", key="north", on=False, reason="upgrade", by="operator")
    assert parked.run_once(services, hands) == {"lanes": 0}
    flip_switch(ward.engine, tenant="t1", kind="connection", key="north", on=True, reason="", by="operator")
    assert parked.run_once(services, hands) == {"lanes": 1}
    assert ward.state(command) == "ready"


def test_an_ehr_that_has_just_come_back_is_not_met_by_everything_at_once(
    ward: Ward, services: Services, hands: Noted
) -> None:
    first = park(ward, patient_key=b"1")
    reopen(ward)
    second = park(ward, patient_key=b"2")
    reopen(ward)
    assert parked.run_once(services, hands, Config(limit=1)) == {"lanes": 1}
    assert (ward.state(first), ward.state(second)) == ("ready", "parked")


def test_two_sweeps_move_a_command_once(ward: Ward, services: Services, hands: Noted) -> None:
    command = park(ward)
    reopen(ward)
    parked.run_once(services, hands)
    parked.run_once(services, hands)
    assert ward.events(command).count("cause_ended") == 1


def test_a_connection_with_much_parked_does_not_hold_back_another_s(
    ward: Ward, services: Services, hands: Noted
) -> None:
    for n in range(4):
        ward.submit(new={"patient_key": bytes([n])})
    let_wait(ward, 3600)
    other = ward.submit(new={"connection_id": other_connection(ward)})
    ward.query("UPDATE commands SET state = 'parked'")
    assert parked.run_once(services, hands, Config(limit=2)) == {"lanes": 2}
    assert ward.state(other.command_id) == "ready"
