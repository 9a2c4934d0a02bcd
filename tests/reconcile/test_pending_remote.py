from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from canonical.outcome import Outcome, Settlement
from config.wiring import Services
from reconcile import pending_remote
from tests.reconcile.conftest import Noted, let_wait
from tests.tasks.ward import Ward

WEEK = timedelta(days=7).total_seconds()


def kept_by_the_ehr(ward: Ward) -> UUID:
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.PENDING_REMOTE, status=202)
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "pending_remote"
    return accepted.command_id


def test_what_the_ehr_s_staff_do_not_accept_in_time_goes_to_a_person(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command = kept_by_the_ehr(ward)
    let_wait(ward, WEEK)
    assert pending_remote.run_once(services, hands) == {"to_review": 1, "asked": 0}
    assert (ward.state(command), ward.reason(command)) == ("in_review", "time-box-ended")
    assert ward.events(command)[-1] == "time_box_ended"
    assert ward.cases(command) == ["time_box_ended"]


def test_nothing_is_sent_again_when_the_time_is_over(ward: Ward, services: Services, hands: Noted) -> None:
    command = kept_by_the_ehr(ward)
    let_wait(ward, WEEK)
    pending_remote.run_once(services, hands)
    ward.run(ward.query("SELECT lane_id FROM commands")[0]["lane_id"])
    assert ward.attempts(command) == [("send", "pending_remote")]
    assert ward.chart.sent == []
    assert (hands.lanes, hands.commands) == ([], [])


def test_until_then_it_is_left_to_the_ehr_s_staff(ward: Ward, services: Services, hands: Noted) -> None:
    command = kept_by_the_ehr(ward)
    let_wait(ward, WEEK - 60)
    assert pending_remote.run_once(services, hands) == {"to_review": 0, "asked": 1}
    assert hands.waiting == [command]
    assert ward.state(command) == "pending_remote"


def test_a_connection_may_allow_another_time_and_a_second_sweep_finds_nothing(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command = kept_by_the_ehr(ward)
    ((key, settings),) = services.connections.items()
    let_wait(ward, 3601)
    quick = replace(services, connections={key: replace(settings, options={"accepted_within_days": 1 / 24})})
    assert pending_remote.run_once(quick, hands) == {"to_review": 1, "asked": 0}
    assert pending_remote.run_once(quick, hands) == {"to_review": 0, "asked": 0}
    assert ward.events(command).count("time_box_ended") == 1


def test_a_connection_that_no_file_names_any_more_has_the_usual_time_and_is_not_asked(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command = kept_by_the_ehr(ward)
    nameless = replace(services, connections={})
    let_wait(ward, WEEK - 60)
    assert pending_remote.run_once(nameless, hands) == {"to_review": 0, "asked": 0}
    let_wait(ward, 60)
    assert pending_remote.run_once(nameless, hands) == {"to_review": 1, "asked": 0}
    assert ward.state(command) == "in_review"


def test_what_no_hand_is_free_for_is_handed_out_by_the_next_run(ward: Ward, services: Services) -> None:
    command = kept_by_the_ehr(ward)
    assert pending_remote.run_once(services, Noted(busy=True)) == {"to_review": 0, "asked": 0}
    free = Noted()
    assert pending_remote.run_once(services, free) == {"to_review": 0, "asked": 1}
    assert free.waiting == [command]
