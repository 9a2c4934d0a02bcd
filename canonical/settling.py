"""From an outcome to what is stored of it: which move, which case, when again. Pure; nothing is sent or stored here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from canonical.command import Command
from canonical.events import move
from canonical.lanes import Settle
from canonical.lifecycle import State, Trigger
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.retry import Backoff, CloseConnection, TryAgain, decide


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a decision depends on besides the outcome: the time (UTC), failures in a row, and the retry policy."""

    now: datetime
    failures: int
    backoff: Backoff
    random: Random


#: The EHR refused it for good: a person looks, under this kind of case.
REFUSALS = {
    Outcome.GONE: "gone",
    Outcome.REJECTED_PAYLOAD: "rejected_payload",
    Outcome.REJECTED_SITE_CONFIG: "rejected_site_config",
    Outcome.NOT_SUPPORTED: "not_supported",
}
_IN_CHART = frozenset({Outcome.APPLIED, Outcome.ALREADY_AT_TARGET, Outcome.APPLIED_UNVERIFIED})


def root_taken_back(command: Command) -> UUID | None:
    """Return the command that a proven ``command`` takes out of the chart, if it takes back one of ours."""
    return command.root if command.takes_back and command.root != command.id else None


def settle_answer(command: Command, settlement: Settlement, circumstances: Circumstances) -> Settle:
    """Return what is stored of a request's outcome."""
    outcome = settlement.outcome
    if outcome in _IN_CHART:
        return _settle_success(command, settlement)
    if outcome is Outcome.UNKNOWN:
        return _step(settlement, Trigger.ANSWER_LOST)
    if outcome is Outcome.PENDING_REMOTE:
        return _step(settlement, Trigger.ANSWERED_PENDING)
    if outcome is Outcome.CONFLICT:
        return _step(settlement, Trigger.ANSWERED_CONFLICT, case="conflict")
    if outcome in REFUSALS:
        return _step(settlement, Trigger.ANSWERED_REFUSED, REFUSALS[outcome], case=REFUSALS[outcome])
    return _settle_nothing_done(command, settlement, circumstances)


def _settle_success(command: Command, settlement: Settlement) -> Settle:
    if settlement.reference is None:
        # Success that names nothing cannot be read back: the probe must find it by our mark.
        return _step(settlement, Trigger.ANSWER_LOST, "answer-names-nothing")
    if settlement.differences == ():
        return _step(settlement, Trigger.ANSWERED_PROVEN, root=root_taken_back(command))
    return _step(settlement, Trigger.ANSWERED_APPLIED)


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
    return _step(settlement, Trigger.ANSWERED_REFUSED, decision.reason, case="attempts_exhausted")


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


def settle_probe(result: ProbeResult) -> Settle:
    """Return what is stored of a probe's answer; only "not applied" makes a resend legal."""
    trigger, outcome, case = _PROBED[result.verdict]
    settlement = Settlement(
        outcome=outcome,
        reference=result.reference,
        version=result.version,
        detail=result.detail,
        body=result.body,
    )
    return Settle(
        move=move(State.UNKNOWN, trigger), settlement=settlement, case=case, journal=f"probe_{result.verdict.value}"
    )


def _step(
    settlement: Settlement, trigger: Trigger, reason: str = "", *, case: str | None = None, root: UUID | None = None
) -> Settle:
    return Settle(move=move(State.SENDING, trigger, reason), settlement=settlement, case=case, root=root)
