"""The gate before the wire: consent, switches, loops, approval, deadline. Pure; the claim repeats it on locked rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from canonical.lifecycle import State, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from canonical.command import Command


@dataclass(frozen=True, kw_only=True)
class Denial:
    """Why a command may not be sent now, and which trigger follows (``None``: only wait)."""

    trigger: Trigger | None
    reason: str


def _state(command: Command, _now: datetime) -> Denial | None:
    return None if command.state is State.READY else Denial(trigger=None, reason="not-ready")


def _deadline(command: Command, now: datetime) -> Denial | None:
    passed = command.not_after is not None and command.not_after <= now
    return Denial(trigger=Trigger.DEADLINE_PASSED, reason="deadline-passed") if passed else None


def _consent(command: Command, now: datetime) -> Denial | None:
    governance = command.governance
    if governance.consent_version_now is None:
        return Denial(trigger=Trigger.CONSENT_ENDED, reason="consent-unreadable")
    if not governance.consent_active:
        return Denial(trigger=Trigger.CONSENT_ENDED, reason="consent-revoked")
    if governance.consent_until is not None and governance.consent_until <= now:
        return Denial(trigger=Trigger.CONSENT_ENDED, reason="consent-ended")
    if governance.consent_version_now != governance.consent_version:
        return Denial(trigger=Trigger.CONSENT_ENDED, reason="consent-changed")
    return None


def _switches(command: Command, _now: datetime) -> Denial | None:
    governance = command.governance
    if not governance.switches_known:
        return Denial(trigger=Trigger.PAUSED, reason="switch-unreadable")
    if governance.switches_off:
        return Denial(trigger=Trigger.PAUSED, reason=f"switched-off-{governance.switches_off[0]}")
    return None


def _loop(command: Command, _now: datetime) -> Denial | None:
    return Denial(trigger=Trigger.PAUSED, reason="loop-between-systems") if command.governance.in_loop else None


def _approval(command: Command, now: datetime) -> Denial | None:
    governance = command.governance
    if not governance.approval_required:
        return None
    fits = governance.approval_digest == command.digest
    current = governance.approval_until is not None and governance.approval_until > now
    return None if fits and current else Denial(trigger=Trigger.APPROVAL_LAPSED, reason="approval-lapsed")


def _due(command: Command, now: datetime) -> Denial | None:
    return None if command.due_at <= now else Denial(trigger=None, reason="not-due")


#: In this order: what ends a command comes before what only delays it.
CHECKS: tuple[Callable[[Command, datetime], Denial | None], ...] = (
    _state,
    _deadline,
    _consent,
    _approval,
    _switches,
    _loop,
    _due,
)


#: What would end a command, or send it back to its approver, as if nothing of it had been written.
_AS_IF_UNWRITTEN = frozenset({Trigger.DEADLINE_PASSED, Trigger.CONSENT_ENDED, Trigger.APPROVAL_LAPSED})


def may_send(command: Command, now: datetime) -> Denial | None:
    """Return ``None`` when ``command`` may be sent at ``now`` (UTC), else why not; anything unreadable denies.

    With a part of it in the chart already, what would have ended it leaves the rest to a person.
    """
    for check in CHECKS:
        denial = check(command, now)
        if denial is not None:
            partly = command.partly_in_chart and denial.trigger in _AS_IF_UNWRITTEN
            return Denial(trigger=Trigger.PARTLY_APPLIED, reason=denial.reason) if partly else denial
    return None
