from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from canonical.acceptance import Seen
from canonical.outcome import Outcome, Settlement
from canonical.proving import Verdict
from config.wiring import Services
from reconcile import pending_remote
from tests.reconcile.conftest import Noted, let_wait
from tests.tasks.ward import Ward, heart_rate

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


def test_a_change_that_waits_shows_only_once_the_entry_says_it(ward: Ward, services: Services) -> None:
    created = ward.submit()
    ward.run(created.lane_id)
    (reference,) = ward.chart.marked(str(created.command_id))
    ward.chart.on_send = lambda operation: Settlement(
        outcome=Outcome.PENDING_REMOTE, status=202, reference=operation.reference
    )
    target = {"command": str(created.command_id)}
    accepted = ward.submit(heart_rate(operation="correct"), target=target)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "pending_remote"
    assert services.acceptance_look.run(accepted.command_id) is Seen.NOT_YET
    ward.chart.edit(reference, mark=str(accepted.command_id))
    let_wait(ward, WEEK)
    assert services.acceptance_look.run(accepted.command_id) is Seen.VISIBLE
    assert ward.state(accepted.command_id) == "applied"


def test_of_a_compound_only_the_held_part_is_looked_for_and_the_rest_stays_as_it_was(
    ward: Ward, services: Services
) -> None:
    ward.chart.parts = 1
    ward.chart.on_send = lambda operation: (
        Settlement(outcome=Outcome.PENDING_REMOTE, status=202) if operation.seq == 2 else None
    )
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "pending_remote"
    write = services.acceptance_look.writes.take(accepted.command_id)
    assert write is not None
    assert [operation.seq for operation in write.operations] == [2]
    ward.chart.resources["Observation/taken"] = (1, ward.chart.said(write.operations[0]))
    let_wait(ward, WEEK)
    assert services.acceptance_look.run(accepted.command_id) is Seen.VISIBLE
    found = ward.query("SELECT seq, state, reference FROM operations ORDER BY seq")
    assert [(row["seq"], row["state"]) for row in found] == [(1, "verified"), (2, "applied")]
    assert found[1]["reference"] == "Observation/taken"
    assert services.verifier.run(accepted.command_id).verdict is Verdict.PROVEN
    assert [operation.seq for operation in ward.chart.sent] == [1]


def test_what_was_said_of_the_entry_before_its_place_was_known_joins_its_subject(
    ward: Ward, services: Services
) -> None:
    command = kept_by_the_ehr(ward)
    target = {"reference": "Observation/taken", "versionId": "1", "seen": {"status": "final"}}
    later = ward.submit(heart_rate(operation="correct"), target=target)
    write = services.acceptance_look.writes.take(command)
    assert write is not None
    ward.chart.resources["Observation/taken"] = (1, ward.chart.said(write.operations[0]))
    let_wait(ward, WEEK)
    assert services.acceptance_look.run(command) is Seen.VISIBLE
    found = ward.query("SELECT id, subject, root FROM commands ORDER BY lane_seq")
    assert [row["id"] for row in found] == [command, later.command_id]
    assert (found[0]["subject"], found[0]["root"]) == (found[1]["subject"], found[1]["root"])
