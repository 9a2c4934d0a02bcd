from config.wiring import Services
from reconcile import deadlines
from tests.reconcile.conftest import Noted
from tests.tasks.ward import Ward


def pass_deadlines(ward: Ward) -> None:
    ward.query("UPDATE commands SET not_after = clock_timestamp() - interval '1 second'")


def test_an_unsent_command_ends_at_its_deadline(ward: Ward, services: Services, hands: Noted) -> None:
    accepted = ward.submit()
    pass_deadlines(ward)
    assert deadlines.run_once(services, hands) == {"expired": 1}
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("expired", "deadline-passed")
    assert ward.events(accepted.command_id)[-1] == "deadline_passed"
    assert ward.chart.sent == []


def test_a_command_without_a_deadline_waits(ward: Ward, services: Services, hands: Noted) -> None:
    accepted = ward.submit()
    assert deadlines.run_once(services, hands) == {"expired": 0}
    assert ward.state(accepted.command_id) == "ready"


def test_what_may_have_reached_the_chart_never_expires(ward: Ward, services: Services, hands: Noted) -> None:
    ward.chart.lose_answers = 1
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    pass_deadlines(ward)
    assert deadlines.run_once(services, hands) == {"expired": 0}
    assert ward.state(accepted.command_id) == "unknown"


def test_a_second_sweep_finds_nothing_to_do(ward: Ward, services: Services, hands: Noted) -> None:
    accepted = ward.submit()
    pass_deadlines(ward)
    deadlines.run_once(services, hands)
    assert deadlines.run_once(services, hands) == {"expired": 0}
    assert ward.events(accepted.command_id).count("deadline_passed") == 1
