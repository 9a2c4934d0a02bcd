"""What is done with a command whose target was compared: sent, merged, appended, dropped as answered, or left to a person.

Whatever the rows say, a machine never changes what the chart says unless its author saw just that: :func:`judge` checks it last
and by itself, so that no policy can undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.action import action_specs
from canonical.policy import SAFEST_DECIDERS, Owner, Rule
from canonical.reviewer import Licence, Reviewer, Right
from canonical.risk import Facts, person_needed
from canonical.three_way import UNSEEN, FieldState
from canonical.triage import may_merge, rollback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from canonical.policy import ActionPolicy, GroupPolicy, PolicySet
    from canonical.three_way import Comparison, FieldDiff, GroupDiff
    from canonical.triage import Rollback

_SIGNIFICANCE = ("low", "medium", "high")


class Ruling(StrEnum):
    """What is done."""

    #: The chart says it already: the case closes itself.
    MOOT = "moot"
    #: Nothing moved that the author saw: it goes as it is.
    SEND = "send"
    #: The chart moved elsewhere: it goes on the version compared.
    MERGE = "merge"
    #: It only adds to what the chart has: it goes on the version compared.
    APPEND = "append"
    #: A person decides.
    REVIEW = "review"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A ruling and why, and, for a person's decision, who may take it and until when an approval holds.

    ``reasons`` are stable codes; ``groups`` the field groups that are at stake; ``deadline``: severity → time to decide, where
    the policy has its own; ``asked``: code → words, one of which a decision names; ``policy`` the version of the policies.
    """

    ruling: Ruling
    reasons: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    significance: str = "low"
    deciders: frozenset[Licence] = SAFEST_DECIDERS
    second_signature: bool = False
    approval: timedelta
    deadline: Mapping[int, timedelta]
    asked: Mapping[str, str]
    policy: str


def judge(
    policies: PolicySet,
    comparison: Comparison,
    *,
    action_type: str,
    operation: str,
    facts: Facts,
    way: Rollback | None = None,
) -> Verdict:
    """Return what is done with a command on a target that was read and compared just now.

    ``way`` is the way back at its EHR, which may be harder than the action's own (``None``).
    """
    policy = policies.action(action_type)
    at_stake = [group for group in comparison.groups if group.pending]
    if not at_stake:
        return _verdict(policies, policy, operation, (), Ruling.MOOT, ("already-there",))
    reasons = [reason for group in at_stake for reason in _group_reasons(policy.group(group.name), group, comparison)]
    if policy.operation(operation).whole_entry and (comparison.moved or _is_partly_unseen(comparison)):
        reasons.append("whole-entry")
    if comparison.moved and not all(_only_adds(policy, group) for group in at_stake):
        back = way or rollback(action_type, operation)
        rungs = policies.queue.merge
        steps = (may_merge(policy, policy.group(group.name).significance, back, rungs) for group in at_stake)
        reasons += [] if all(steps) else ["not-merged-by-machine"]
    if not facts.approved or comparison.moved:
        reasons += person_needed(policy, operation, facts, comparison)
    reasons += [] if all(map(_is_safe, _written(policy, at_stake))) else ["unseen-value"]
    if reasons:
        return _verdict(policies, policy, operation, at_stake, Ruling.REVIEW, tuple(dict.fromkeys(reasons)))
    return _verdict(policies, policy, operation, at_stake, _going(policy, at_stake, comparison), ())


def judge_alone(
    policies: PolicySet, *, action_type: str, operation: str, fields: Iterable[str], facts: Facts
) -> Verdict:
    """Return whether a command on nothing that is in the chart yet needs a person; ``fields`` are those that it states."""
    policy = policies.action(action_type)
    reasons = () if facts.approved else person_needed(policy, operation, facts)
    groups = groups_of(action_type, fields)
    return _verdict(policies, policy, operation, groups, Ruling.REVIEW if reasons else Ruling.SEND, reasons)


def who_may(verdict: Verdict, reviewer: Reviewer) -> str:
    """Return why ``reviewer`` may not decide, or nothing where they may."""
    if not reviewer.may(Right.DECIDE):
        return "You may look at this and not decide it."
    if verdict.deciders.isdisjoint(reviewer.licences):
        return f"This is decided by a {' or '.join(sorted(verdict.deciders))}."
    return ""


def _group_reasons(row: GroupPolicy, group: GroupDiff, comparison: Comparison) -> list[str]:
    reasons = []
    if row.owner is Owner.NOT_OURS:
        reasons.append("not-ours")
    if row.owner is Owner.REVIEWER:
        reasons.append("reviewer-owns")
    if row.owner is Owner.CHART and any(field.pending and field.current is not None for field in group.fields):
        reasons.append("chart-owns")
    if row.rule is Rule.APPEND:
        return reasons if _adds(group) else [*reasons, "not-an-addition"]
    if group.state is FieldState.OVERLAPPING:
        reasons.append("overlapping")
    if row.rule is Rule.REVIEW and comparison.moved:
        reasons.append("moved")
    if row.rule is Rule.EXACT_MATCH and (comparison.moved or _is_partly_unseen(comparison)):
        reasons.append("not-as-seen")
    return reasons


def _going(policy: ActionPolicy, at_stake: Iterable[GroupDiff], comparison: Comparison) -> Ruling:
    adding = [_only_adds(policy, group) for group in at_stake]
    if all(adding):
        return Ruling.APPEND
    return Ruling.MERGE if comparison.moved else Ruling.SEND


def _only_adds(policy: ActionPolicy, group: GroupDiff) -> bool:
    return policy.group(group.name).rule is Rule.APPEND and _adds(group)


def _adds(group: GroupDiff) -> bool:
    return all(_keeps(field.current, field.proposed) for field in group.fields if field.pending)


def _keeps(now: Any, then: Any) -> bool:
    """Whether ``then`` has everything of the list ``now``, in its order, and more."""
    if now is None:
        return True
    if not isinstance(now, list) or not isinstance(then, list):
        return False
    rest = iter(then)
    return all(any(exact_json.equal(item, other) for other in rest) for item in now)


def _is_partly_unseen(comparison: Comparison) -> bool:
    return any(field.is_unseen for field in comparison.fields)


def _written(policy: ActionPolicy, at_stake: Iterable[GroupDiff]) -> list[FieldDiff]:
    """Return the fields in which something would be replaced: not those that are only added to."""
    return [
        field
        for group in at_stake
        for field in group.fields
        if field.pending
        and not (policy.group(group.name).rule is Rule.APPEND and _keeps(field.current, field.proposed))
    ]


def _is_safe(field: FieldDiff) -> bool:
    """Whether nobody's value is lost unseen: there is none, or it is the one that the author saw."""
    if field.base is UNSEEN:
        return field.current is None
    return exact_json.equal(field.base, field.current)


def groups_of(action_type: str, fields: Iterable[str]) -> tuple[str, ...]:
    """Return the field groups in which ``fields`` of an action stand; a field in none is a group of its own."""
    of = {name: group.name for group in action_specs()[action_type].field_groups for name in group.fields}
    return tuple(dict.fromkeys(of.get(name, name) for name in fields))


def _verdict(
    policies: PolicySet,
    policy: ActionPolicy,
    operation: str,
    groups: Iterable[GroupDiff | str],
    ruling: Ruling,
    reasons: tuple[str, ...],
) -> Verdict:
    row = policy.operation(operation)
    names = tuple(group if isinstance(group, str) else group.name for group in groups)
    rows = [policy.group(name) for name in names]
    licences = [one.decide for one in rows] + ([row.decide] if row.decide else [])
    deadline: dict[int, timedelta] = {}
    for one in rows:
        for severity, within in one.deadline.items():
            deadline[severity] = min(within, deadline.get(severity, within))
    return Verdict(
        ruling=ruling,
        reasons=reasons,
        groups=names,
        significance=max((one.significance for one in rows), key=_SIGNIFICANCE.index, default="low"),
        deciders=(frozenset.intersection(*licences) if licences else frozenset()) or SAFEST_DECIDERS,
        second_signature=row.second_signature or any(one.second_signature for one in rows),
        approval=row.approval,
        deadline=deadline,
        asked=row.reasons,
        policy=policies.version,
    )
