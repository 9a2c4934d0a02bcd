"""From an outcome to what is stored of it: which move, which case, when again. Pure; nothing is sent or stored here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from uuid import UUID

from canonical.command import Command
from canonical.compound import ALONE, Progress
from canonical.events import move
from canonical.lanes import Settle
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.retry import Backoff, CloseConnection, TryAgain, decide


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a decision depends on besides the outcome: the time (UTC), failures in a row, the retry policy, the progress."""

    now: datetime
    failures: int
    backoff: Backoff
    random: Random
    progress: Progress = ALONE


#: The EHR refused it for good: a person looks, under this kind of case.
REFUSALS = {
    Outcome.GONE: "gone",
    Outcome.MERGED: "merged_patient",
    Outcome.REJECTED_PAYLOAD: "rejected_payload",
    Outcome.REJECTED_SITE_CONFIG: "rejected_site_config",
    Outcome.NOT_SUPPORTED: "not_supported",
}
_IN_CHART = frozenset({Outcome.APPLIED, Outcome.ALREADY_AT_TARGET, Outcome.APPLIED_UNVERIFIED})


def root_taken_back(command: Command) -> UUID | None:
    """Return the command that a proven ``command`` takes out of the chart, if it takes back one of ours.

    What only told people in words that something is to be taken back has taken nothing back.
    """
    takes_back = command.takes_back and command.sent_as is None
    return command.root if takes_back and command.root != command.id else None


def settle_answer(command: Command, settlement: Settlement, circumstances: Circumstances) -> Settle:
    """Return what is stored of a request's outcome."""
    outcome, progress = settlement.outcome, circumstances.progress
    if outcome in _IN_CHART:
        return _settle_success(command, settlement, progress)
    if outcome is Outcome.UNKNOWN:
        return _step(settlement, Trigger.ANSWER_LOST)
    if outcome is Outcome.PENDING_REMOTE:
        return _settle_pending(settlement, progress)
    if outcome is Outcome.CONFLICT:
        return _stop(settlement, progress, Trigger.ANSWERED_CONFLICT, case="conflict")
    if outcome in REFUSALS:
        return _stop(settlement, progress, Trigger.ANSWERED_REFUSED, REFUSALS[outcome], case=REFUSALS[outcome])
    return _settle_nothing_done(command, settlement, circumstances)


def _settle_success(command: Command, settlement: Settlement, progress: Progress) -> Settle:
    if settlement.reference is None:
        # Success that names nothing cannot be read back: the probe must find it by our mark.
        return _step(settlement, Trigger.ANSWER_LOST, "answer-names-nothing")
    # That an entry counts no more, or was made up for, is proven by reading it back, never by an answer that says so.
    undoes = command.takes_back or command.undoes is not None
    proven = settlement.differences == () and not undoes
    if progress.after:
        step = move(State.SENDING, Trigger.CONTINUED, done=progress.before + 1, left=progress.after)
        return Settle(
            move=step, settlement=settlement, refund=True, operation_state="verified" if proven else "applied"
        )
    if proven and progress.proven:
        return _step(settlement, Trigger.ANSWERED_PROVEN)
    return _step(settlement, Trigger.ANSWERED_APPLIED)


def _settle_pending(settlement: Settlement, progress: Progress) -> Settle:
    if progress.after:
        # What follows may refer to it, and it is not in the chart: a person decides about the rest.
        return _step(settlement, Trigger.PARTLY_APPLIED, "accepted-for-review", case="incomplete")
    return _step(settlement, Trigger.ANSWERED_PENDING)


def instead_of_continuing(settle: Settle, trigger: Trigger, reason: str, *, case: str | None = None) -> Settle:
    """Return what is stored of a success when the next operation may not follow it at once.

    ``OPERATION_APPLIED``: it is due again later; ``PARTLY_APPLIED``: a person decides about the rest.
    """
    return replace(settle, move=move(State.SENDING, trigger, reason), case=case)


def _settle_nothing_done(command: Command, settlement: Settlement, circumstances: Circumstances) -> Settle:
    decision = decide(
        settlement.outcome,
        attempts=command.spent + 1,
        budget=command.spec.retry_budget,
        now=circumstances.now,
        retry_after=settlement.retry_after,
        backoff=circumstances.backoff,
        random=circumstances.random,
        failures=circumstances.failures + 1,
    )
    if isinstance(decision, CloseConnection):
        return Settle(
            move=move(State.SENDING, Trigger.CONNECTION_CLOSED, decision.reason),
            settlement=settlement,
            refund=True,
            not_before=decision.not_before,
            closed_reason=decision.reason,
        )
    if isinstance(decision, TryAgain):
        step = move(State.SENDING, Trigger.RETRY_SCHEDULED, settlement.outcome.value)
        return Settle(move=step, settlement=settlement, due_at=decision.due_at)
    return _stop(
        settlement,
        circumstances.progress,
        Trigger.ANSWERED_REFUSED,
        decision.reason,
        case="attempts_exhausted",
    )


def settle_not_sent(reason: str) -> Settle:
    """Return what is stored when the request was held back after the claim: nothing left, it costs no attempt."""
    settlement = Settlement(outcome=Outcome.UNAVAILABLE, detail=reason)
    return Settle(
        move=move(State.SENDING, Trigger.NOT_SENT, reason), settlement=settlement, refund=True, journal="not_sent"
    )


_PROBED = {
    ProbeVerdict.APPLIED: (Trigger.PROBE_FOUND, Outcome.APPLIED, None),
    ProbeVerdict.NOT_APPLIED: (Trigger.PROBE_NOT_APPLIED, Outcome.UNAVAILABLE, None),
    ProbeVerdict.CANNOT_TELL: (Trigger.PROBE_CANNOT_TELL, Outcome.UNKNOWN, "cannot_tell"),
}


def settle_probe(result: ProbeResult, progress: Progress = ALONE, *, said_taken: bool = False) -> Settle:
    """Return what is stored of a probe's answer; only "not applied" makes a resend legal.

    Where the EHR answered that it wrote it (``said_taken``), not finding it is no proof that it did not: a person looks.
    """
    if said_taken and result.verdict is ProbeVerdict.NOT_APPLIED:
        detail = "the EHR answered that it wrote it, and it is not to be found"
        result = replace(result, verdict=ProbeVerdict.CANNOT_TELL, detail=detail)
    trigger, outcome, case = _PROBED[result.verdict]
    if trigger is Trigger.PROBE_FOUND and progress.after:
        trigger = Trigger.OPERATION_FOUND
    settlement = Settlement(
        outcome=outcome,
        reference=result.reference,
        version=result.version,
        detail=result.detail,
        body=result.body,
    )
    return Settle(
        move=move(State.UNKNOWN, trigger),
        settlement=settlement,
        case=case,
        journal=f"probe_{result.verdict.value}",
        operation_state="applied" if trigger is Trigger.OPERATION_FOUND else None,
    )


def _stop(
    settlement: Settlement, progress: Progress, trigger: Trigger, reason: str = "", *, case: str | None = None
) -> Settle:
    """Hand it to a person: as what the EHR said, or, with a part of it in the chart already, as incomplete."""
    if progress.before:
        return _step(settlement, Trigger.PARTLY_APPLIED, reason or (case or ""), case=case)
    return _step(settlement, trigger, reason, case=case)


def _step(settlement: Settlement, trigger: Trigger, reason: str = "", *, case: str | None = None) -> Settle:
    return Settle(move=move(State.SENDING, trigger, reason), settlement=settlement, case=case)
