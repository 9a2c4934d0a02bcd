"""What a machine may do with a case by itself: close it where the chart says already what was proposed. And who it is then."""

from __future__ import annotations

from canonical.case_kinds import case_kind
from canonical.case_store import CaseStore, Resolution, Resolved, StoredCase
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.policy import PolicySet
from canonical.reviewer import Pool, Reviewer
from reconcile.review.look import Look


def machine(tenant: str) -> Reviewer:
    """Return who decides a case that nobody has to decide."""
    return Reviewer(
        tenant=tenant,
        issuer="",
        subject="conflict-engine",
        name="the machine",
        pools=frozenset(Pool),
        is_machine=True,
    )


def close_if_answered(cases: CaseStore, case: StoredCase, look: Look, policies: PolicySet) -> bool:
    """Close a case whose question the chart has answered by now; nothing is sent, and the reason says so."""
    if case_kind(case.kind).drifted:
        return _close_if_restored(cases, case, look, policies)
    if case.state is not State.CONFLICTED:
        return False
    reason = "already-in-chart" if look.is_answered else _agrees(case, look, policies)
    if not reason:
        return False
    resolution = Resolution(
        case=case,
        reviewer=machine(case.tenant),
        verb="moot",
        view_id=None,
        reason=reason,
        base_version=look.version,
        policy_version=policies.version,
        move=move(State.CONFLICTED, Trigger.REPLACED, reason),
        expected_seq=look.command.event_seq,
    )
    return cases.resolve(resolution) is Resolved.DONE


def _agrees(case: StoredCase, look: Look, policies: PolicySet) -> str:
    """Return the reason why chart and proposal agree in all that is clinical, or nothing.

    Only what policy declares as bookkeeping may differ, and something clinical must be said by both and be the same.
    """
    if case.kind != "conflict" or look.current is None:
        return ""
    policy = policies.action(case.action_type)
    groups = look.comparison.groups
    differing = [group for group in groups if group.pending]
    if not differing or not all(policy.group(group.name).is_bookkeeping(group) for group in differing):
        return ""
    same = [group for group in groups if not group.pending and not policy.group(group.name).bookkeeping]
    agrees = any(
        field.proposed is not None and field.proposed == field.current for group in same for field in group.fields
    )
    return "agrees-but-for-bookkeeping" if agrees else ""


def _close_if_restored(cases: CaseStore, case: StoredCase, look: Look, policies: PolicySet) -> bool:
    """Close the case of a write of one entry that drifted and of which the chart says again what was written."""
    is_restored = look.is_readable and look.current is not None and len(look.operations) == 1 and not look.differing
    if case.state is not State.IN_REVIEW or not is_restored:
        return False
    resolution = Resolution(
        case=case,
        reviewer=machine(case.tenant),
        verb="moot",
        view_id=None,
        reason="stands-again",
        base_version=look.version,
        policy_version=policies.version,
        move=move(State.IN_REVIEW, Trigger.DRIFT_ACCEPTED, "stands-again"),
        expected_seq=look.command.event_seq,
        accepted=look.sight,
    )
    return cases.resolve(resolution) is Resolved.DONE
