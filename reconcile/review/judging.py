"""What policy says of a command on the chart as it was just read: one verdict over the action and all its parts."""

from __future__ import annotations

from dataclasses import replace

from canonical.action import with_parts
from canonical.compensation_catalogue import narrowed
from canonical.policy import PolicySet
from canonical.risk_facts import facts_of
from canonical.ruling import Verdict, judge, judge_alone
from reconcile.review.look import Look


def verdict_of(look: Look, policies: PolicySet, *, authenticated: bool) -> Verdict:
    """Return the verdict on a look; who may decide a compound may decide each of its parts."""
    command = look.command
    envelope, governance = command.envelope, command.governance
    approved = governance.approval_required and governance.approval_digest == command.digest
    facts = facts_of(envelope, policies, authenticated=authenticated, approved=approved)
    action = envelope.action
    fields = tuple(action.as_json().keys() - {"type", "operation"})
    alone = judge_alone(policies, action_type=action.type, operation=action.operation, fields=fields, facts=facts)
    own = alone
    if look.current is not None:
        own = judge(
            policies,
            look.comparison,
            action_type=action.type,
            operation=action.operation,
            facts=facts,
            way=narrowed(look.ways_back),
        )
    if not own.groups:
        # Where nothing is at stake any more, whoever may decide what it states may say so.
        own = replace(own, deciders=alone.deciders)
    for part in with_parts(command.envelope)[1:]:
        fields = tuple(part.as_json().keys() - {"type", "operation"})
        beside = judge_alone(policies, action_type=part.type, operation=part.operation, fields=fields, facts=facts)
        own = replace(
            own,
            deciders=own.deciders & beside.deciders or beside.deciders,
            second_signature=own.second_signature or beside.second_signature,
            approval=min(own.approval, beside.approval),
        )
    return own
