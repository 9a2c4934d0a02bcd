"""Commands of several operations, on real PostgreSQL: in order, once each, and never ended as if nothing were written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from canonical import exact_json
from canonical.errors import NeedsPersonError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Proof
from store.database import transaction
from store.intake import Accepted
from store.watch_list import WatchList
from store.withdrawals import Withdrawals
from tests.tasks.ward import Ward, revoke_consent

SECOND = 2


@pytest.fixture
def compound(ward: Ward) -> Ward:
    """Return a ward whose chart takes two operations for one command."""
    ward.chart.parts = 1
    return ward


def at(seq: int, *answers: Settlement) -> object:
    """Answer operation ``seq`` with ``answers``, one a try, and leave the chart alone then; all others as usual."""
    left = list(answers)

    def on_send(operation: Operation) -> Settlement | None:
        return left.pop(0) if operation.seq == seq and left else None

    return on_send


def progress(ward: Ward, accepted: Accepted) -> list[tuple[int, str]]:
    sql = "SELECT seq, state FROM operations WHERE command_id = %(id)s ORDER BY seq"
    return [(row["seq"], row["state"]) for row in ward.query(sql, id=accepted.command_id)]


def written(ward: Ward, accepted: Accepted) -> int:
    """Return how many resources of the command are in the chart, by both marks."""
    own, part = str(accepted.command_id), f"{accepted.command_id}.1"
    return len(ward.chart.marked(own)) + len(ward.chart.marked(part))


def test_operations_are_written_in_order_and_the_settle_of_one_is_the_claim_of_the_next(compound: Ward) -> None:
    accepted = compound.submit(key="compound-1")
    compound.run(accepted.lane_id)
    assert [item.seq for item in compound.chart.sent] == [1, 2]
    assert compound.events(accepted.command_id) == ["received", "accepted", "claimed", "continued", "answered_proven"]
    assert compound.state(accepted.command_id) == "verified"
    assert compound.submit(key="compound-1").command_id == accepted.command_id
    assert progress(compound, accepted) == [(1, "verified"), (2, "verified")]
    assert compound.is_at_rest()


def test_what_comes_later_refers_to_what_was_written_before(compound: Ward) -> None:
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    body = exact_json.parse(compound.chart.sent[1].body)
    assert body["derivedFrom"] == [{"reference": compound.chart.marked(f"{accepted.command_id}.1")[0]}]
    sent = (
        "SELECT count(*) AS n FROM payloads p JOIN operations o ON o.body_digest = p.digest WHERE p.content = %(body)s"
    )
    assert compound.query(sent, body=compound.chart.sent[1].body)[0]["n"] == 1


def test_all_operations_are_journaled_as_planned_before_the_first_leaves(compound: Ward) -> None:
    seen: list[list[tuple[int, str]]] = []
    accepted = compound.submit()

    def look(_operation: Operation) -> None:
        seen.append(progress(compound, accepted))

    compound.chart.on_send = look
    compound.run(accepted.lane_id)
    assert seen == [[(1, "sent"), (2, "planned")], [(1, "verified"), (2, "sent")]]


def test_answers_that_are_no_proof_leave_every_operation_to_be_read_back(compound: Ward) -> None:
    compound.chart.proof = Proof.READ_BACK
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "applied"
    assert progress(compound, accepted) == [(1, "applied"), (2, "applied")]


def test_operations_cost_nothing_of_the_retry_budget(compound: Ward) -> None:
    compound.chart.parts = 12
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "verified"
    row = compound.query("SELECT attempts, spent FROM commands WHERE id = %(id)s", id=accepted.command_id)[0]
    assert (row["attempts"], row["spent"]) == (13, 1)


@pytest.mark.parametrize("seq", [1, 2])
def test_a_lost_answer_is_looked_up_for_the_operation_that_was_sent_and_the_rest_follows(
    compound: Ward, seq: int
) -> None:
    lost = [True]

    def lose(operation: Operation) -> Settlement | None:
        if operation.seq == seq and lost:
            lost.clear()
            compound.chart.lose_answers = 1
        return None

    compound.chart.on_send = lose
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "unknown"
    compound.let_time_pass(accepted.lane_id)
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "applied"
    assert [item.seq for item in compound.chart.sent] == [1, 2]
    assert written(compound, accepted) == 2
    probed = "SELECT operation_seq FROM attempts WHERE command_id = %(id)s AND kind = 'probe'"
    assert [row["operation_seq"] for row in compound.query(probed, id=accepted.command_id)] == [seq]


def test_what_did_not_arrive_is_sent_again_and_what_did_is_not(compound: Ward) -> None:
    compound.chart.on_send = at(SECOND, Settlement(outcome=Outcome.UNKNOWN))  # type: ignore[assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    compound.let_time_pass(accepted.lane_id)
    compound.run(accepted.lane_id)
    assert compound.events(accepted.command_id)[2:] == [
        "claimed",
        "continued",
        "answer_lost",
        "probe_not_applied",
        "claimed",
        "answered_proven",
    ]
    assert [item.seq for item in compound.chart.sent] == [1, 2]
    assert written(compound, accepted) == 2


@pytest.mark.parametrize(
    ("outcome", "case"),
    [
        (Outcome.CONFLICT, "conflict"),
        (Outcome.REJECTED_PAYLOAD, "rejected_payload"),
        (Outcome.GONE, "gone"),
        (Outcome.NOT_SUPPORTED, "not_supported"),
    ],
)
def test_a_later_operation_that_is_refused_leaves_the_command_incomplete(
    compound: Ward, outcome: Outcome, case: str
) -> None:
    compound.chart.on_send = at(SECOND, Settlement(outcome=outcome))  # type: ignore[assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert (compound.state(accepted.command_id), compound.cases(accepted.command_id)) == ("incomplete", [case])
    assert compound.events(accepted.command_id)[-1] == "partly_applied"
    assert written(compound, accepted) == 1
    assert compound.is_at_rest()


def test_a_first_operation_that_is_refused_leaves_nothing_half_done(compound: Ward) -> None:
    compound.chart.on_send = at(1, Settlement(outcome=Outcome.REJECTED_PAYLOAD))  # type: ignore[assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "in_review"
    assert written(compound, accepted) == 0


def test_an_operation_held_for_review_stops_what_may_refer_to_it(compound: Ward) -> None:
    compound.chart.on_send = at(1, Settlement(outcome=Outcome.PENDING_REMOTE))  # type: ignore[assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert (compound.state(accepted.command_id), compound.cases(accepted.command_id)) == ("incomplete", ["incomplete"])
    assert compound.reason(accepted.command_id) == "accepted-for-review"


def test_a_locked_second_operation_is_tried_again_without_the_first(compound: Ward) -> None:
    compound.chart.on_send = at(SECOND, Settlement(outcome=Outcome.LOCKED))  # type: ignore[assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    compound.query("UPDATE commands SET due_at = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id)
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "verified"
    assert [item.seq for item in compound.chart.sent] == [1, 2]


def revoke_when_first_is_written(ward: Ward) -> None:
    def revoke(operation: Operation) -> None:
        if operation.seq == 1:
            with transaction(ward.engine) as connection:
                revoke_consent(connection, ward.consent_id)

    ward.chart.on_send = revoke


def test_a_consent_revoked_between_operations_stops_the_rest_and_asks_a_person(compound: Ward) -> None:
    revoke_when_first_is_written(compound)
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert (compound.state(accepted.command_id), compound.cases(accepted.command_id)) == ("incomplete", ["incomplete"])
    assert [item.seq for item in compound.chart.sent] == [1]
    assert progress(compound, accepted) == [(1, "verified"), (2, "planned")]
    assert compound.is_at_rest()


def test_a_switch_turned_off_between_operations_delays_the_rest(compound: Ward) -> None:
    def turn(name: str) -> None:
        compound.query(f"UPDATE switches SET is_on = {name} WHERE kind = 'action'")

    compound.chart.on_send = lambda operation: turn("false") if operation.seq == 1 else None
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "parked"
    assert [item.seq for item in compound.chart.sent] == [1]
    turn("true")
    WatchList(compound.engine, actor="test").resume_parked(limit=10)
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "verified"
    assert [item.seq for item in compound.chart.sent] == [1, 2]


def half_written(ward: Ward) -> Accepted:
    """Return a command of which the first operation is in the chart and the second waits for another try."""
    ward.chart.on_send = at(SECOND, Settlement(outcome=Outcome.LOCKED))  # type: ignore[assignment]
    accepted = ward.submit(notAfter=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    ward.run(accepted.lane_id, replace(ward.turn(), most=1))
    assert ward.state(accepted.command_id) == "ready"
    return accepted


def test_a_half_written_command_cannot_be_withdrawn_as_if_nothing_were_written(compound: Ward) -> None:
    accepted = half_written(compound)
    withdrawal = Withdrawals(compound.engine).withdraw("t1", accepted.command_id, actor="app")
    assert withdrawal is not None
    assert not withdrawal.withdrawn
    assert compound.state(accepted.command_id) == "ready"


def test_a_half_written_command_whose_deadline_passes_goes_to_a_person(compound: Ward) -> None:
    accepted = half_written(compound)
    compound.query("UPDATE commands SET not_after = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id)
    assert WatchList(compound.engine, actor="test").expire_overdue(limit=10) == [accepted.command_id]
    assert (compound.state(accepted.command_id), compound.cases(accepted.command_id)) == ("incomplete", ["incomplete"])
    assert compound.reason(accepted.command_id) == "deadline-passed"


def test_a_half_written_command_whose_consent_ends_goes_to_a_person(compound: Ward) -> None:
    accepted = half_written(compound)
    with transaction(compound.engine) as connection:
        revoke_consent(connection, compound.consent_id)
    compound.query("UPDATE commands SET due_at = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id)
    compound.run(accepted.lane_id)
    assert (compound.state(accepted.command_id), compound.reason(accepted.command_id)) == (
        "incomplete",
        "consent-revoked",
    )
    assert [item.seq for item in compound.chart.sent] == [1]


def test_a_check_that_fails_between_operations_leaves_the_command_incomplete(compound: Ward) -> None:
    accepted = half_written(compound)
    compound.chart.admit({"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-02", "active": False})
    compound.query("UPDATE commands SET due_at = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id)
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "incomplete"
    assert compound.cases(accepted.command_id) == ["merged_patient"]


def test_a_claim_whose_holder_died_between_operations_is_looked_up_for_the_second(compound: Ward) -> None:
    class Died(BaseException):
        pass

    def die(operation: Operation) -> Settlement | None:
        if operation.seq == SECOND:
            raise Died
        return None

    compound.chart.on_send = die
    accepted = compound.submit()
    with pytest.raises(Died):
        compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "sending"
    compound.chart.on_send = lambda _operation: None
    compound.let_time_pass(accepted.lane_id)
    compound.run(accepted.lane_id)
    compound.let_time_pass(accepted.lane_id)
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "verified"
    assert [item.seq for item in compound.chart.sent] == [1, 2]
    assert written(compound, accepted) == 2


def test_a_later_command_that_names_this_one_means_its_own_entry_not_a_part(compound: Ward) -> None:
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    retract = {"type": "VitalReading", "operation": "retract", "retractReason": "wrong arm"}
    later = compound.submit(retract, target={"command": str(accepted.command_id)})
    compound.run(later.lane_id)
    own = compound.chart.marked(str(later.command_id))
    sent = compound.chart.sent[-1]
    assert sent.reference == own[0] == f"Observation/o{len(compound.chart.resources) - 1}"


def test_a_plan_that_cannot_be_written_in_its_order_is_not_begun(compound: Ward) -> None:
    plan = compound.chart.plan

    def backwards(*arguments: object) -> list[Operation]:
        return list(reversed(list(plan(*arguments))))  # type: ignore[arg-type]

    compound.chart.plan = backwards  # type: ignore[method-assign,assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.cases(accepted.command_id) == ["invalid_payload"]
    assert compound.chart.sent == []


def test_a_person_is_asked_before_anything_of_a_compound_is_sent(compound: Ward) -> None:
    def refuse(*_arguments: object) -> None:
        raise NeedsPersonError("not_ours_to_change", "an order")

    compound.chart.plan = refuse  # type: ignore[method-assign,assignment]
    accepted = compound.submit()
    compound.run(accepted.lane_id)
    assert compound.state(accepted.command_id) == "in_review"
    assert progress(compound, accepted) == []
