"""Which case first, and what a machine may merge: severity, kind of entry and the way back, as one ladder. No queue, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from canonical.action import action_specs
from canonical.queue_policy import SEVERITIES

if TYPE_CHECKING:
    from canonical.policy import ActionPolicy, PolicySet
    from canonical.queue_policy import Merge


class Rollback(StrEnum):
    """How what an operation did is undone, known before it is sent; from the easiest to the hardest."""

    #: One operation of the action takes the entry out again.
    TAKES_BACK = "takes_back"
    #: Another change puts back what was there.
    CHANGES_BACK = "changes_back"
    #: Only by hand in the EHR.
    BY_HAND = "by_hand"


_HARDEST_FIRST = (Rollback.BY_HAND, Rollback.CHANGES_BACK, Rollback.TAKES_BACK)


@dataclass(frozen=True, kw_only=True)
class Triage:
    """Where a case stands: ``severity`` 1 (now) to 4, ``order`` sorts cases of one due time, ``may_merge`` as of the ladder."""

    severity: int
    order: tuple[int, int, int]
    may_merge: bool


def rollback(action_type: str, operation: str) -> Rollback:
    """Return the way back from an operation: what creates is taken back, what changes is changed back, what ended stays so."""
    operations = action_specs()[action_type].operations
    rule = operations[operation]
    if rule.takes_back:
        return Rollback.BY_HAND
    if rule.creates or rule.own_entry:
        return Rollback.TAKES_BACK if any(one.takes_back for one in operations.values()) else Rollback.BY_HAND
    return Rollback.CHANGES_BACK if action_specs()[action_type].undone_by.get(operation) else Rollback.BY_HAND


def may_merge(policy: ActionPolicy, significance: str, way: Rollback, rungs: Iterable[Merge]) -> bool:
    """Whether a machine may merge what does not overlap; of protected entries never what is of high significance."""
    if policy.protected and significance == "high":
        return False
    return any(rung.significance == significance and rung.rollback == way for rung in rungs)


def triage(
    policies: PolicySet,
    *,
    severity: int,
    action_type: str,
    operation: str,
    significance: str = "high",
    overlapping: bool = True,
    behind: Iterable[int] = (),
    way: Rollback | None = None,
) -> Triage:
    """Return where a case stands; ``severity`` is that of its kind, ``behind`` are those of the commands that wait for it.

    ``way`` is the way back at its EHR, which may be harder than the action's own; ``None``: it is not known yet.
    A case is as severe as the most severe of what waits behind it, and one more where what it decides about a protected entry can
    be undone by hand only.
    """
    policy, way = policies.action(action_type), way or rollback(action_type, operation)
    grave = policy.protected and significance == "high" and way is Rollback.BY_HAND
    raised = max(severity - 1, SEVERITIES[0]) if grave else severity
    final = min((raised, *behind))
    return Triage(
        severity=final,
        order=(final, 0 if policy.protected else 1, _HARDEST_FIRST.index(way)),
        may_merge=not overlapping and may_merge(policy, significance, way, policies.queue.merge),
    )
