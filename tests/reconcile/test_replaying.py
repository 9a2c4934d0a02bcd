"""One command sent again: only when the EHR does not have it, with bytes that somebody approved, once, and told at both ends."""

from __future__ import annotations

from uuid import uuid4

import pytest

from canonical.lifecycle import Trigger
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.replay import Mode, Result, Step
from canonical.review_desk import Decision, ReviewError, Verb
from config.wiring import Services
from tests.reconcile.replay_bench import ReplayBench
from tests.reconcile.review.bench import NURSE
from tests.tasks.ward import Ward, heart_rate


@pytest.fixture
def bench(ward: Ward, services: Services) -> ReplayBench:
    return ReplayBench(ward=ward, services=services)


def test_what_is_in_the_chart_after_all_is_not_sent_again_and_is_proven(bench: ReplayBench) -> None:
    lost = bench.lost()
    sent = len(bench.ward.chart.sent)
    assert bench.replayed(lost.command_id).result is Result.ALREADY_THERE
    assert bench.ward.state(lost.command_id) == "applied"
    bench.services.verifier.run(lost.command_id)
    assert (bench.ward.state(lost.command_id), len(bench.entries)) == ("verified", 1)
    assert len(bench.ward.chart.sent) == sent
    assert bench.ward.events(lost.command_id)[-2:] == ["found_by_person", "proven"]
    links = bench.ward.query("SELECT reference FROM links WHERE root = %(id)s", id=lost.command_id)
    assert [row["reference"] for row in links] == bench.entries


def test_what_the_ehr_refused_for_want_of_a_setting_is_sent_once_when_the_setting_is_there(bench: ReplayBench) -> None:
    accepted = bench.turned_down()
    bench.mend()
    told = bench.replayed(accepted.command_id)
    assert (told.result, told.bytes, told.mapping_pinned) == (Result.SENT, "stored", "chart-1")
    assert bench.ward.state(accepted.command_id) == "ready"
    assert bench.drive(accepted.command_id) == "verified"
    assert (len(bench.entries), len(bench.ward.chart.sent)) == (1, 1)
    detail = bench.ward.query(
        "SELECT detail, actor FROM events WHERE command_id = %(id)s AND trigger = 'resend_decided'",
        id=accepted.command_id,
    )
    assert [(row["actor"], "replay" in row["detail"]) for row in detail] == [("person:ed-engineer", True)]
    open_cases = bench.ward.query("SELECT 1 FROM cases WHERE closed_at IS NULL")
    assert open_cases == []


def test_one_that_ended_with_its_consent_is_given_anew_with_the_stored_bytes(bench: ReplayBench) -> None:
    ended = bench.ended_by_consent()
    (journaled,) = bench.services.replays.work.cases.operations(ended.command_id)
    told = bench.replayed(ended.command_id)
    assert (told.result, told.bytes) == (Result.GIVEN, "stored")
    assert told.new_command is not None
    assert bench.drive(told.new_command) == "verified"
    (sent,) = bench.ward.chart.sent
    assert (sent.body, sent.mark, sent.mapping_version) == (journaled.body, journaled.mark, journaled.mapping_version)
    assert bench.ward.state(ended.command_id) == "rejected"
    assert len(bench.entries) == 1
    first = bench.services.doors.commands.detail("t1", ended.command_id)
    second = bench.services.doors.commands.detail("t1", told.new_command)
    assert first is not None
    assert second is not None
    assert (first.replay_of, first.replays) == (None, (told.new_command,))
    assert (second.replay_of, second.replays) == (ended.command_id, ())


def test_a_person_who_said_no_is_asked_again_before_anything_is_sent(bench: ReplayBench) -> None:
    refused = bench.turned_down()
    bench.end(refused.command_id)
    bench.mend()
    told = bench.replayed(refused.command_id)
    assert (told.result, told.bytes) == (Result.AWAITS_APPROVAL, "regenerated")
    assert told.new_command is not None
    assert bench.drive(told.new_command) == "awaiting_approval"
    assert bench.ward.reason(told.new_command) == "replayed"
    assert (bench.entries, bench.ward.cases(told.new_command)) == ([], ["awaiting_approval"])
    desk = bench.services.case_desk
    assert told.case_id is not None
    page = desk.open(NURSE, told.case_id)
    desk.decide(NURSE, told.case_id, Decision(verb=Verb.APPROVE, view=page.view))
    assert bench.drive(told.new_command) == "verified"
    assert (len(bench.entries), len(bench.ward.chart.sent)) == (1, 1)
    assert bench.ward.state(refused.command_id) == "rejected"
    detail = bench.services.doors.commands.detail("t1", refused.command_id)
    assert detail is not None
    assert detail.replays == (told.new_command,)


def test_the_same_replay_twice_makes_one_command(bench: ReplayBench) -> None:
    ended = bench.ended_by_consent()
    replay = bench.ask(ended.command_id)
    bench.sweep()
    (before,) = bench.items(replay)
    # A process that died after it gave the command: the item is begun again.
    bench.ward.query("UPDATE replay_items SET state = 'begun', result = NULL, begun_at = now() - interval '1 hour'")
    bench.ward.query("UPDATE replays SET state = 'running'")
    bench.sweep()
    (after,) = bench.items(replay)
    assert before.result is not None
    assert after.result is not None
    assert after.result.new_command == before.result.new_command
    assert bench.ward.query("SELECT count(*) AS n FROM commands WHERE replay_of IS NOT NULL")[0]["n"] == 1


def test_another_replay_of_what_was_given_anew_is_refused_while_that_one_lives(bench: ReplayBench) -> None:
    ended = bench.ended_by_consent()
    first = bench.replayed(ended.command_id)
    again = bench.replayed(ended.command_id)
    assert (again.result, again.why, again.new_command) == (Result.REFUSED, "already-replayed", first.new_command)


def test_bytes_of_a_new_mapping_version_wait_for_a_person(bench: ReplayBench) -> None:
    accepted = bench.turned_down()
    bench.mend()
    bench.ward.chart.mapping_version = "chart-2"
    told = bench.replayed(accepted.command_id)
    assert (told.result, told.why) == (Result.AWAITS_APPROVAL, "bytes-differ")
    assert (told.mapping_pinned, told.mapping_now, told.bytes) == ("chart-1", "chart-2", "regenerated")
    assert told.stored_digest != told.planned_digest
    assert told.case_id is not None
    assert (bench.ward.state(accepted.command_id), bench.entries) == ("in_review", [])


def test_one_that_ended_goes_through_a_new_mapping_only_once_it_is_approved(bench: ReplayBench) -> None:
    ended = bench.ended_by_consent()
    bench.ward.chart.mapping_version = "chart-2"
    told = bench.replayed(ended.command_id)
    assert (told.result, told.bytes) == (Result.AWAITS_APPROVAL, "regenerated")
    assert told.new_command is not None
    assert (bench.drive(told.new_command), bench.entries) == ("awaiting_approval", [])


@pytest.mark.parametrize("ended", [True, False])
def test_stored_bytes_may_be_sent_under_the_mapping_they_were_made_with(bench: ReplayBench, *, ended: bool) -> None:
    accepted = bench.ended_by_consent() if ended else bench.turned_down()
    bench.mend()
    bench.ward.chart.mapping_version = "chart-2"
    told = bench.replayed(accepted.command_id, mode=Mode.PINNED)
    assert (told.bytes, told.mapping_pinned, told.mapping_now) == ("stored", "chart-1", "chart-2")
    assert bench.drive(told.new_command or accepted.command_id) == "verified"
    assert [operation.mapping_version for operation in bench.ward.chart.sent] == ["chart-1"]


def test_bytes_made_anew_are_approved_even_under_the_same_mapping(bench: ReplayBench) -> None:
    accepted = bench.turned_down()
    bench.mend()
    assert bench.replayed(accepted.command_id, mode=Mode.REGENERATED).result is Result.AWAITS_APPROVAL
    assert bench.ward.state(accepted.command_id) == "in_review"


def test_an_ehr_that_cannot_tell_has_a_person_look(bench: ReplayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = bench.turned_down()
    bench.mend()
    unsure = ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail="no-such-search")
    monkeypatch.setattr(bench.ward.chart, "probe", lambda _operation, _trace: unsure)
    told = bench.replayed(accepted.command_id)
    assert (told.result, told.why, told.error) == (Result.NEEDS_PERSON, "probe-cannot-tell", "no-such-search")
    assert (bench.ward.state(accepted.command_id), bench.ward.chart.sent) == ("in_review", [])


def test_what_ended_as_not_written_and_is_there_has_a_case(bench: ReplayBench) -> None:
    lost = bench.lost()
    bench.end(lost.command_id)
    told = bench.replayed(lost.command_id)
    assert (told.result, told.why) == (Result.ALREADY_THERE, "probe-found-after-end")
    assert "written_after_all" in bench.ward.cases(lost.command_id)
    assert (len(bench.entries), bench.ward.state(lost.command_id)) == (1, "rejected")
    assert bench.ward.query("SELECT 1 FROM commands WHERE replay_of IS NOT NULL") == []


def test_nothing_is_asked_while_a_request_may_still_change_the_chart(bench: ReplayBench) -> None:
    lost = bench.lost()
    bench.ward.query("UPDATE attempts SET settled_at = now() + interval '1 hour', outcome = 'unknown'")
    replay = bench.ask(lost.command_id)
    bench.sweep()
    (item,) = bench.items(replay)
    assert (item.state.value, item.result, bench.state(replay)) == ("pending", None, "running")


def test_an_ehr_that_is_away_is_asked_again_later(bench: ReplayBench) -> None:
    accepted = bench.turned_down()
    bench.mend()
    bench.ward.chart.down = True
    replay = bench.ask(accepted.command_id)
    bench.sweep()
    assert bench.items(replay)[0].result is None
    bench.ward.chart.down = False
    bench.ward.query("UPDATE replay_items SET due_at = '-infinity'")
    bench.sweep()
    assert bench.result(replay).result is Result.SENT


ENDS = [
    (Trigger.CANCELLED, "withdrawn"),
    (Trigger.DEADLINE_PASSED, "expired"),
    (Trigger.REPLACED, "superseded"),
]


@pytest.mark.parametrize(("trigger", "why"), ENDS)
def test_what_ended_by_its_author_or_its_time_is_never_sent_again(
    bench: ReplayBench, trigger: Trigger, why: str
) -> None:
    accepted = bench.submit()
    bench.end(accepted.command_id, trigger)
    told = bench.replayed(accepted.command_id)
    assert (told.result, told.why) == (Result.REFUSED, why)
    assert bench.entries == []


def test_what_is_in_the_chart_or_was_taken_back_is_left_alone(bench: ReplayBench) -> None:
    written = bench.submit()
    assert bench.drive(written.command_id) == "verified"
    assert bench.replayed(written.command_id).why == "in-the-chart"
    bench.end(written.command_id, Trigger.REMOVED_IN_EHR)
    told = bench.replayed(written.command_id)
    assert (told.result, told.why, len(bench.entries)) == (Result.REFUSED, "taken-back", 1)


def test_what_goes_on_by_itself_is_left_to_itself(bench: ReplayBench) -> None:
    waiting = bench.submit()
    assert bench.replayed(waiting.command_id).why == "goes-on-by-itself"
    assert bench.ward.state(waiting.command_id) == "ready"


def test_a_consent_that_ended_keeps_a_replay_out(bench: ReplayBench) -> None:
    ended = bench.ended_by_consent()
    bench.ward.query("UPDATE consents SET active = false, version = version + 1")
    told = bench.replayed(ended.command_id)
    assert (told.result, told.why, told.error) == (Result.REFUSED, "door-refused", "consent-revoked")


def test_what_a_model_wrote_is_decided_in_its_own_case(bench: ReplayBench) -> None:
    accepted = bench.turned_down(ai={"model": "scribe-large"})
    bench.mend()
    told = bench.replayed(accepted.command_id)
    assert (told.result, told.why) == (Result.AWAITS_APPROVAL, "not-in-bulk")
    assert (bench.ward.state(accepted.command_id), bench.entries) == ("in_review", [])


def test_a_clinical_question_is_decided_in_its_own_case(bench: ReplayBench) -> None:
    accepted = bench.submit()
    bench.ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.GONE, status=410)
    bench.drive(accepted.command_id)
    bench.mend()
    told = bench.replayed(accepted.command_id)
    assert (told.result, told.why) in {
        (Result.AWAITS_APPROVAL, "not-in-bulk"),
        (Result.NEEDS_PERSON, "its-case-decides"),
    }
    assert bench.entries == []


def test_a_case_that_a_colleague_has_is_left_to_them(bench: ReplayBench) -> None:
    accepted = bench.turned_down()
    bench.mend()
    bench.ward.query("UPDATE cases SET claimed_by = 'person:other', claimed_until = now() + interval '1 hour'")
    assert bench.replayed(accepted.command_id).why == "claimed-by-another"
    assert bench.ward.state(accepted.command_id) == "in_review"


def test_a_dry_run_says_what_would_happen_and_moves_nothing(bench: ReplayBench) -> None:
    standing, ended, written = bench.turned_down(), bench.ended_by_consent(), bench.submit(heart_rate())
    bench.drive(written.command_id)
    replay = bench.ask(standing.command_id, ended.command_id, written.command_id, dry_run=True)
    before = bench.ward.query("SELECT id, state, event_seq FROM commands ORDER BY id")
    bench.sweep()
    results = [item.result.result for item in bench.items(replay) if item.result is not None]
    assert results == [Result.WOULD_SEND, Result.WOULD_SEND, Result.ALREADY_THERE]
    assert bench.ward.query("SELECT id, state, event_seq FROM commands ORDER BY id") == before
    assert bench.state(replay) == "draft"
    bench.step(replay, Step.START)
    bench.sweep()
    results = [item.result.result for item in bench.items(replay) if item.result is not None]
    assert results == [Result.SENT, Result.GIVEN, Result.ALREADY_THERE]
    assert bench.state(replay) == "done"


def test_who_may_not_act_on_many_may_not_ask_nor_steer(bench: ReplayBench) -> None:
    accepted = bench.turned_down()
    replay = bench.ask(accepted.command_id)
    with pytest.raises(ReviewError) as refused:
        bench.desk.step(NURSE, replay.id, Step.CANCEL)
    assert refused.value.code == "not-permitted"
    with pytest.raises(ReviewError, match="no such replay"):
        bench.desk.show(NURSE, uuid4())
