from config.wiring import Services
from reconcile import unknown
from tests.reconcile.conftest import Noted
from tests.tasks.ward import Ward


def lose_an_answer(ward: Ward) -> tuple[object, int]:
    ward.chart.lose_answers = 1
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "unknown"
    assert accepted.lane_id is not None
    return accepted.command_id, accepted.lane_id


def test_an_unknown_write_is_left_alone_until_its_quarantine_is_over(
    ward: Ward, services: Services, hands: Noted
) -> None:
    ward.query("UPDATE connections SET quarantine = interval '1 hour'")
    lose_an_answer(ward)
    assert unknown.run_once(services, hands) == {"lanes": 0}


def test_after_its_quarantine_it_is_probed_and_not_sent_again(ward: Ward, services: Services, hands: Noted) -> None:
    command, lane = lose_an_answer(ward)
    ward.let_time_pass(lane)
    assert unknown.run_once(services, hands) == {"lanes": 1}
    assert hands.lanes == [lane]
    services.dispatcher.run(lane)
    (row,) = ward.query("SELECT state FROM commands WHERE id = %(id)s", id=command)
    assert row["state"] in {"applied", "verified"}
    assert len(ward.chart.sent) == 1


def test_it_is_left_alone_while_its_ehr_is_closed(ward: Ward, services: Services, hands: Noted) -> None:
    _, lane = lose_an_answer(ward)
    ward.let_time_pass(lane)
    ward.query("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert unknown.run_once(services, hands) == {"lanes": 0}


def test_it_is_left_alone_while_somebody_probes(ward: Ward, services: Services, hands: Noted) -> None:
    _, lane = lose_an_answer(ward)
    ward.let_time_pass(lane)
    ward.query("UPDATE lanes SET lease_until = clock_timestamp() + interval '1 minute'")
    assert unknown.run_once(services, hands) == {"lanes": 0}
