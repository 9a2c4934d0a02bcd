"""Traces T5 to T8: what may change between a look and the request, and what must not be overtaken."""

import threading
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.engine import make_url

from canonical.lifecycle import State
from canonical.ports import Interaction, Proof, Surrounding
from processes.condition import wait_until
from store.consents import Consents
from store.database import transaction
from tasks.turn import LaneTurn
from tests.faults.stage import SOON, Stage, Steps, with_steps
from tests.tasks.ward import heart_rate, revoke_consent


def _correct(stage: Stage, root: UUID) -> UUID:
    return stage.submit(heart_rate(operation="correct"), target={"command": str(root)}).command_id


def _at(stage: Stage, step: str, call: Callable[[], None]) -> tuple[LaneTurn, Steps]:
    """A turn at whose step something happens."""
    steps = Steps(calls={step: call})
    return with_steps(stage.ward.turn(), steps), steps


# --- T5: an edit between our read and our write -----------------------------------------------------------------------


@pytest.mark.parametrize("step", ["after_plan", "after_claim", "before_send"])
def test_t5_a_clinicians_edit_before_the_request_is_never_overwritten(stage: Stage, step: str) -> None:
    """Trace T5: the version in the precondition is the author's, whatever was read a moment ago."""
    first = stage.submit()
    stage.ward.run(first.lane_id)
    reference = stage.ward.chart.marked(str(first.command_id))[0]
    second = _correct(stage, first.command_id)

    turn, steps = _at(stage, step, lambda: stage.ward.chart.edit(reference, note="by a clinician"))
    stage.ward.run(first.lane_id, turn)

    assert steps.reached.count(step) == 1
    version, resource = stage.ward.chart.resources[reference]
    assert (version, resource["note"]) == (2, "by a clinician")
    assert (stage.ward.state(second), stage.ward.cases(second)) == ("conflicted", ["conflict"])
    assert stage.ward.attempts(second) == [("send", "conflict")]
    assert stage.ward.is_at_rest()


def test_t5_no_update_leaves_without_a_precondition(stage: Stage) -> None:
    """Trace T5: an update whose author's version nobody knows is not sent at all."""
    first = stage.submit()
    stage.ward.run(first.lane_id)
    for _ in range(3):
        _correct(stage, first.command_id)
    stage.settle_down()

    updates = [item for item in stage.ward.chart.sent if item.interaction is Interaction.UPDATE]
    assert [item.if_match for item in updates] == ["1", "2", "3"]
    assert {row["precondition"] for row in _preconditions(stage)} == {
        "If-None-Exist",
        "If-Match 1",
        "If-Match 2",
        "If-Match 3",
    }


def _preconditions(stage: Stage) -> list[dict[str, str]]:
    return stage.ward.query("SELECT precondition FROM attempts WHERE kind = 'send'")


# --- T6: the right to send ends between our look and our claim --------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ("UPDATE consents SET version = version + 1, active = false", "rejected", "consent-revoked"),
        ("UPDATE consents SET version = version + 1", "rejected", "consent-changed"),
        ("UPDATE consents SET valid_until = clock_timestamp()", "rejected", "consent-ended"),
        ("UPDATE switches SET is_on = false WHERE kind = 'app'", "parked", "switched-off-app"),
        ("DELETE FROM switches WHERE kind = 'service'", "parked", "switch-unreadable"),
        ("UPDATE commands SET not_after = clock_timestamp()", "expired", "deadline-passed"),
        ("UPDATE commands SET approval_required = true", "awaiting_approval", "approval-lapsed"),
        ("UPDATE connections SET not_before = clock_timestamp() + interval '1 hour'", "ready", "accepted"),
    ],
)
def test_t6_what_ended_between_the_look_and_the_claim_is_seen_by_the_claim(
    stage: Stage, change: str, state: str, reason: str
) -> None:
    """Trace T6: every condition of the gate is tested again on locked rows, in the commit that allows the send."""
    accepted = stage.submit()
    turn, steps = _at(stage, "after_plan", lambda: _change(stage, change))
    stage.ward.run(accepted.lane_id, turn)

    assert steps.reached == ["after_lock", "after_plan"]
    assert stage.ward.chart.sent == []
    assert stage.ward.attempts(accepted.command_id) == []
    stage.ward.run(accepted.lane_id)
    assert (stage.ward.state(accepted.command_id), stage.ward.reason(accepted.command_id)) == (state, reason)
    assert stage.findings(ended={accepted.command_id: State(state)}) == []


def _change(stage: Stage, sql: str) -> None:
    with transaction(stage.ward.engine) as connection:
        assert connection.execute(sql.encode()).rowcount == 1


def test_t6_a_claim_waits_for_a_revocation_under_way_and_then_fails(stage: Stage) -> None:
    """Trace T6 as a race: the revocation has not committed yet when the claim comes to the consent's row."""
    accepted = stage.submit()
    assert accepted.lane_id is not None
    url = make_url(stage.ward.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as revoking:
        revoke_consent(revoking, stage.ward.consent_id)
        worker = threading.Thread(target=stage.ward.turn().run, args=(accepted.lane_id,))
        worker.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        assert wait_until(lambda: bool(stage.ward.query(waiting)), within=SOON), "the claim never waited"
        revoking.commit()
        worker.join(SOON.total_seconds())

    assert stage.ward.chart.sent == []
    assert stage.ward.attempts(accepted.command_id) == []
    stage.ward.run(accepted.lane_id)
    assert stage.ward.reason(accepted.command_id) == "consent-revoked"


# --- T7: the right to send ends between our claim and our request -----------------------------------------------------


def test_t7_a_request_that_was_paused_after_its_claim_is_held_back(stage: Stage) -> None:
    """Trace T7: the gate's verdict grew old while the sender was paused, by the clock that also counts suspension."""
    accepted = stage.submit()
    clock = [0.0]

    def pause_and_revoke() -> None:
        clock[0] += stage.ward.chart.timings.send_within.total_seconds() + 0.001
        Consents(stage.ward.engine).revoke("t1", "c1", actor="test")

    turn, steps = _at(stage, "after_claim", pause_and_revoke)
    turn = replace(turn, journey=replace(turn.journey, now=lambda: clock[0]))
    stage.ward.run(accepted.lane_id, turn)

    assert "before_send" not in steps.reached
    assert stage.ward.chart.sent == []
    assert stage.ward.events(accepted.command_id)[2:] == ["claimed", "not_sent", "consent_ended"]
    assert stage.ward.attempts(accepted.command_id) == [("send", "not_sent")]
    assert stage.ward.query("SELECT spent FROM commands") == [{"spent": 0}]
    assert stage.findings(ended={accepted.command_id: State.REJECTED}) == []


def test_t7_a_revocation_names_what_may_have_left_already(stage: Stage) -> None:
    """Trace T7 within the few seconds a claim is good for: nothing can stop the request, so the answer says so."""
    accepted, waiting = stage.submit(), stage.submit()
    with stage.paused(accepted.lane_id, at="before_send") as sender:
        revocation = Consents(stage.ward.engine).revoke("t1", "c1", actor="test")
        assert revocation is not None
        assert revocation.in_flight == ((accepted.command_id, State.SENDING),)
        assert revocation.queued == 1
        sender.go_on()

    assert stage.ward.state(accepted.command_id) == "verified"
    assert stage.ward.state(waiting.command_id) == "rejected"
    assert stage.findings(ended={waiting.command_id: State.REJECTED}) == []


# --- T8: the next command before the proof of the one before ----------------------------------------------------------


def test_t8_the_next_command_of_a_subject_waits_for_the_proof(stage: Stage) -> None:
    """Trace T8: else the proof of the create would read our own update, and call it a failure."""
    stage.ward.chart.proof = Proof.READ_BACK
    first = stage.submit()
    second = _correct(stage, first.command_id)
    other = stage.submit()

    stage.ward.run(first.lane_id)
    states = [stage.ward.state(item) for item in (first.command_id, second, other.command_id)]
    assert states == ["applied", "ready", "applied"], "only the same subject waits"
    assert len(stage.ward.chart.sent) == 2

    stage.prove()
    stage.ward.run(first.lane_id)
    assert stage.ward.chart.sent[-1].if_match == "1"
    stage.settle_down()
    assert stage.ward.query("SELECT 1 FROM cases") == []
    assert _findings_of_subject(stage) == []


def test_t8_the_claim_itself_lets_no_second_request_of_a_lane_out(stage: Stage) -> None:
    """Trace T8's neighbour: a holder that did not look, or looked too early, is refused by the claim."""
    first, second = stage.submit(), stage.submit()
    assert first.lane_id is not None
    stage.ward.chart.lose_answers = 1
    stage.ward.run(first.lane_id)
    assert stage.ward.state(first.command_id) == "unknown"

    with stage.ward.lanes().hold(first.lane_id) as lane:
        assert lane is not None
        assert lane.view.next is None
        command = lane.load(second.command_id)
        assert lane.claim(command, stage.ward.chart.plan(command, Surrounding())[0]) is None

    assert stage.ward.state(second.command_id) == "ready"
    stage.settle_down()
    assert stage.findings() == []


def _findings_of_subject(stage: Stage) -> list[str]:
    """The judge's findings; a correction replaces the content that its root wrote, so their marks share a resource."""
    return [item for item in stage.findings() if not item.startswith("written once")]
