"""Policies for tests: the shipped ones read once, and made-up ones, also such as no loader would let pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from canonical.action import ActionSpec, action_specs
from canonical.high_alert import shipped_list
from canonical.policy import ActionPolicy, GroupPolicy, PolicySet, implied
from canonical.queue_policy import QueuePolicy
from config.policy_files import read_policies

TODAY = date(2026, 3, 10)


@cache
def shipped() -> PolicySet:
    """Return the policies that this product brings."""
    return read_policies()


def queue(**over: Any) -> QueuePolicy:
    """Return a queue policy with every rung of the ladder open."""
    rungs = [
        {"significance": significance, "rollback": rollback}
        for significance in ("low", "medium", "high")
        for rollback in ("takes_back", "changes_back", "by_hand")
    ]
    members = {
        "owner": "somebody",
        "reviewed": TODAY,
        "next_review": date(2027, 3, 10),
        "severity": {number: {"due_minutes": 15 * number} for number in (1, 2, 3, 4)},
        "merge": rungs,
    }
    return QueuePolicy.model_validate(members | over)


def policy_of(spec: ActionSpec, **over: Any) -> ActionPolicy:
    """Return the policy that a specification implies, with ``over``."""
    return replace(implied(spec), **over)


def policies(*actions: ActionPolicy, **queue_says: Any) -> PolicySet:
    """Return a set of policies of ``actions``; the others are as their specifications imply."""
    return PolicySet({one.action: one for one in actions}, queue(**queue_says), shipped_list())


def with_groups(action: str, **groups: Any) -> ActionPolicy:
    """Return an action's policy in which every group says ``groups``."""
    base = implied(action_specs()[action])
    return replace(base, groups={name: replace(group, **groups) for name, group in base.groups.items()})


def group(name: str, **over: Any) -> GroupPolicy:
    """Return one row by field group."""
    return replace(GroupPolicy(name=name, rule="merge", significance="low"), **over)  # type: ignore[arg-type]
