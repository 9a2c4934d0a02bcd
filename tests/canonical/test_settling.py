from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from canonical.command import Command
from canonical.compound import Progress
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.retry import Backoff
from canonical.settling import Circumstances, root_taken_back, settle_answer, settle_not_sent, settle_probe
from tests.factories import NOW, CommandFactory, EnvelopeFactory, new_id, vital_reading_json

HERE = Circumstances(now=NOW, failures=0, backoff=Backoff(), random=Random(7))
COMMAND = CommandFactory.create(state=State.SENDING)
RETRACTION = CommandFactory.create(
    state=State.SENDING, root=new_id(), envelope=EnvelopeFactory.create(action=vital_reading_json(operation="retract"))
)

ANSWERS: list[tuple[Outcome, State, Trigger, str | None, bool]] = [
    (Outcome.APPLIED, State.APPLIED, Trigger.ANSWERED_APPLIED, None, False),
    (Outcome.ALREADY_AT_TARGET, State.APPLIED, Trigger.ANSWERED_APPLIED, None, False),
    (Outcome.APPLIED_UNVERIFIED, State.APPLIED, Trigger.ANSWERED_APPLIED, None, False),
    (Outcome.PENDING_REMOTE, State.PENDING_REMOTE, Trigger.ANSWERED_PENDING, None, False),
    (Outcome.CONFLICT, State.CONFLICTED, Trigger.ANSWERED_CONFLICT, "conflict", False),
    (Outcome.GONE, State.IN_REVIEW, Trigger.ANSWERED_REFUSED, "gone", False),
    (Outcome.MERGED, State.IN_REVIEW, Trigger.ANSWERED_REFUSED, "merged_patient", False),
    (Outcome.REJECTED_PAYLOAD, State.IN_REVIEW, Trigger.ANSWERED_REFUSED, "rejected_payload", False),
    (Outcome.REJECTED_SITE_CONFIG, State.IN_REVIEW, Trigger.ANSWERED_REFUSED, "rejected_site_config", False),
    (Outcome.NOT_SUPPORTED, State.IN_REVIEW, Trigger.ANSWERED_REFUSED, "not_supported", False),
    (Outcome.UNKNOWN, State.UNKNOWN, Trigger.ANSWER_LOST, None, False),
    (Outcome.LOCKED, State.READY, Trigger.RETRY_SCHEDULED, None, False),
    (Outcome.UNAVAILABLE, State.PARKED, Trigger.CONNECTION_CLOSED, None, True),
    (Outcome.THROTTLED, State.PARKED, Trigger.CONNECTION_CLOSED, None, True),
    (Outcome.AUTH, State.PARKED, Trigger.CONNECTION_CLOSED, None, True),
]


@pytest.mark.parametrize(("outcome", "state", "trigger", "case", "refund"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_each_outcome_has_one_move(
    outcome: Outcome, state: State, trigger: Trigger, case: str | None, *, refund: bool
) -> None:
    settled = settle_answer(COMMAND, Settlement(outcome=outcome, reference="Observation/o1"), HERE)
    assert (settled.move.source, settled.move.trigger, settled.move.target) == (State.SENDING, trigger, state)
    assert (settled.case, settled.refund) == (case, refund)
    assert (settled.not_before is not None) is refund
    assert settled.settlement.outcome is outcome


def test_what_undoes_a_part_of_another_command_is_not_proven_by_its_answer() -> None:
    settlement = Settlement(outcome=Outcome.APPLIED, reference="Observation/o1", differences=())
    undoing = COMMAND.evolve(undoes=new_id())
    assert settle_answer(undoing, settlement, HERE).move.trigger is Trigger.ANSWERED_APPLIED
    assert settle_answer(COMMAND, settlement, HERE).move.trigger is Trigger.ANSWERED_PROVEN


def test_every_outcome_is_in_that_table() -> None:
    assert {row[0] for row in ANSWERS} == set(Outcome)


def test_an_answer_that_is_the_stored_resource_is_proof() -> None:
    settled = settle_answer(
        COMMAND, Settlement(outcome=Outcome.APPLIED, reference="Observation/o1", differences=()), HERE
    )
    assert settled.move.target is State.VERIFIED


def test_an_answer_that_differs_is_no_proof() -> None:
    differs = Settlement(outcome=Outcome.APPLIED, reference="Observation/o1", differences=("valueQuantity",))
    assert settle_answer(COMMAND, differs, HERE).move.target is State.APPLIED


@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED, Outcome.ALREADY_AT_TARGET])
def test_a_success_that_names_nothing_is_unknown(outcome: Outcome) -> None:
    settled = settle_answer(COMMAND, Settlement(outcome=outcome, differences=()), HERE)
    assert (settled.move.target, settled.move.reason) == (State.UNKNOWN, "answer-names-nothing")


def test_a_retraction_is_not_proven_by_its_answer_and_names_what_it_takes_back() -> None:
    proven = Settlement(outcome=Outcome.APPLIED, reference="Observation/o1", differences=())
    assert settle_answer(RETRACTION, proven, HERE).move.trigger is Trigger.ANSWERED_APPLIED
    assert settle_answer(COMMAND, proven, HERE).move.trigger is Trigger.ANSWERED_PROVEN
    assert root_taken_back(RETRACTION) == RETRACTION.root
    assert root_taken_back(COMMAND) is None


def test_a_retraction_of_something_not_ours_takes_no_command_back() -> None:
    assert root_taken_back(RETRACTION.evolve(root=RETRACTION.id)) is None


def test_what_only_told_people_to_take_something_back_takes_nothing_back() -> None:
    assert root_taken_back(RETRACTION.evolve(sent_as="message")) is None


def spent(times: int) -> Command:
    return COMMAND.evolve(spent=times)


def test_the_last_attempt_of_the_budget_ends_with_a_person() -> None:
    budget = COMMAND.spec.retry_budget
    locked = Settlement(outcome=Outcome.LOCKED)
    again = settle_answer(spent(budget - 2), locked, HERE)
    assert again.move.target is State.READY
    assert again.due_at is not None
    assert NOW <= again.due_at <= NOW + HERE.backoff.cap
    last = settle_answer(spent(budget - 1), locked, HERE)
    assert (last.move.target, last.case) == (State.IN_REVIEW, "attempts_exhausted")


def test_an_outage_never_uses_up_the_budget() -> None:
    settled = settle_answer(spent(10_000), Settlement(outcome=Outcome.UNAVAILABLE), HERE)
    assert (settled.move.target, settled.refund, settled.closed_reason) == (State.PARKED, True, "outage")


def test_a_throttle_waits_as_long_as_the_ehr_asks() -> None:
    asked = Settlement(outcome=Outcome.THROTTLED, retry_after=timedelta(seconds=90))
    settled = settle_answer(COMMAND, asked, HERE)
    assert settled.not_before is not None
    assert settled.not_before >= NOW + timedelta(seconds=90)


def test_what_was_held_back_after_the_claim_costs_nothing() -> None:
    settled = settle_not_sent("too-late")
    assert (settled.move.target, settled.refund, settled.journal) == (State.READY, True, "not_sent")


PROBES: list[tuple[ProbeVerdict, State, str | None]] = [
    (ProbeVerdict.APPLIED, State.APPLIED, None),
    (ProbeVerdict.NOT_APPLIED, State.READY, None),
    (ProbeVerdict.CANNOT_TELL, State.IN_REVIEW, "cannot_tell"),
]


@pytest.mark.parametrize(("verdict", "state", "case"), PROBES, ids=[row[0] for row in PROBES])
def test_each_verdict_of_a_probe_has_one_move(verdict: ProbeVerdict, state: State, case: str | None) -> None:
    settled = settle_probe(ProbeResult(verdict=verdict, reference="Observation/o1", version="3", body=b"{}"))
    assert (settled.move.source, settled.move.target, settled.case) == (State.UNKNOWN, state, case)
    assert settled.journal == f"probe_{verdict}"
    assert (settled.settlement.reference, settled.settlement.version) == ("Observation/o1", "3")


def test_every_verdict_is_in_that_table() -> None:
    assert {row[0] for row in PROBES} == set(ProbeVerdict)


FIRST, LAST = Progress(before=0, after=1), Progress(before=1, after=0)
APPLIED_AS = Settlement(outcome=Outcome.APPLIED, reference="Observation/o1", version="1")
PROVEN_AS = replace(APPLIED_AS, differences=())


@pytest.mark.parametrize(
    ("settlement", "progress", "state", "trigger"),
    [
        (PROVEN_AS, FIRST, State.SENDING, Trigger.CONTINUED),
        (APPLIED_AS, FIRST, State.SENDING, Trigger.CONTINUED),
        (PROVEN_AS, LAST, State.VERIFIED, Trigger.ANSWERED_PROVEN),
        (PROVEN_AS, replace(LAST, proven=False), State.APPLIED, Trigger.ANSWERED_APPLIED),
        (APPLIED_AS, LAST, State.APPLIED, Trigger.ANSWERED_APPLIED),
        (Settlement(outcome=Outcome.APPLIED), FIRST, State.UNKNOWN, Trigger.ANSWER_LOST),
        (Settlement(outcome=Outcome.UNKNOWN), LAST, State.UNKNOWN, Trigger.ANSWER_LOST),
        (Settlement(outcome=Outcome.PENDING_REMOTE), FIRST, State.INCOMPLETE, Trigger.PARTLY_APPLIED),
        (Settlement(outcome=Outcome.PENDING_REMOTE), LAST, State.PENDING_REMOTE, Trigger.ANSWERED_PENDING),
        (Settlement(outcome=Outcome.CONFLICT), FIRST, State.CONFLICTED, Trigger.ANSWERED_CONFLICT),
        (Settlement(outcome=Outcome.CONFLICT), LAST, State.INCOMPLETE, Trigger.PARTLY_APPLIED),
        (Settlement(outcome=Outcome.REJECTED_PAYLOAD), FIRST, State.IN_REVIEW, Trigger.ANSWERED_REFUSED),
        (Settlement(outcome=Outcome.REJECTED_PAYLOAD), LAST, State.INCOMPLETE, Trigger.PARTLY_APPLIED),
        (Settlement(outcome=Outcome.LOCKED), LAST, State.READY, Trigger.RETRY_SCHEDULED),
        (Settlement(outcome=Outcome.UNAVAILABLE), LAST, State.PARKED, Trigger.CONNECTION_CLOSED),
    ],
)
def test_an_operation_of_a_compound_moves_by_what_came_before_and_what_follows(
    settlement: Settlement, progress: Progress, state: State, trigger: Trigger
) -> None:
    settled = settle_answer(COMMAND, settlement, replace(HERE, progress=progress))
    assert (settled.move.target, settled.move.trigger) == (state, trigger)


def test_the_last_try_of_a_later_operation_leaves_the_command_incomplete() -> None:
    tired = COMMAND.evolve(spent=COMMAND.spec.retry_budget - 1)
    settled = settle_answer(tired, Settlement(outcome=Outcome.LOCKED), replace(HERE, progress=LAST))
    assert (settled.move.target, settled.case) == (State.INCOMPLETE, "attempts_exhausted")


def test_a_found_operation_is_followed_by_the_next() -> None:
    found = ProbeResult(verdict=ProbeVerdict.APPLIED, reference="Observation/o1")
    assert settle_probe(found, FIRST).move.target is State.READY
    assert settle_probe(found, FIRST).operation_state == "applied"
    assert settle_probe(found, LAST).move.target is State.APPLIED


def test_what_the_ehr_said_it_took_is_not_sent_again_because_it_is_not_to_be_found() -> None:
    nothing = ProbeResult(verdict=ProbeVerdict.NOT_APPLIED)
    settled = settle_probe(nothing, said_taken=True)
    assert (settled.move.target, settled.move.trigger) == (State.IN_REVIEW, Trigger.PROBE_CANNOT_TELL)
    assert settled.case == "cannot_tell"
    assert settle_probe(nothing).move.target is State.READY
    found = ProbeResult(verdict=ProbeVerdict.APPLIED, reference="Observation/o1")
    assert settle_probe(found, said_taken=True).move.target is State.APPLIED
