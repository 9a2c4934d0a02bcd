"""What an author who names no version must have seen of an entry for it to be changed: their base, by the units of the action.

A base that leaves out what the change touches would let anybody's edit of it be overwritten unseen. Nothing is compared here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from canonical.action import ActionSpec, spec_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from canonical.envelope import Envelope

#: Say why it changes now, which nobody can have seen before.
REASONS = frozenset({"statusReason", "changeReason", "retractReason"})
#: Elements that hold where an entry stands in its own life.
STATUSES = ("status", "clinicalStatus", "verificationStatus", "docStatus")


def unseen(envelope: Envelope, guarded: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the fields that the change of ``envelope`` touches and of which its author does not say what they saw.

    ``guarded`` names the field groups that policy lets nobody change unseen; without it, those of high significance. Of what
    was seen to be empty its author says ``null``. Where the status moves one field of it must be seen, and where the entry is
    taken back one of its first group: the first that would do is returned. Nothing for what creates or only refers to its target.
    """
    action, target = envelope.action, envelope.target
    spec, rule = spec_for(action), spec_for(action).rule(action)
    if rule.creates or rule.own_entry:
        return ()
    seen = frozenset((target.seen if target is not None else None) or ())
    if rule.takes_back:
        return _none_of(spec.field_groups[0].fields, seen)
    groups = _heavy(spec) if guarded is None else guarded
    stated = frozenset(action.as_json()) - rule.describes - REASONS
    fields = [name for group in spec.field_groups if group.name in groups for name in group.fields]
    missing = tuple(name for name in fields if name in stated and name not in seen)
    return missing + (_none_of(STATUSES, seen) if rule.moves_status else ())


def _heavy(spec: ActionSpec) -> frozenset[str]:
    """Return the groups of high significance but those that are only added to, of which nothing is lost."""
    return frozenset(
        group.name for group in spec.field_groups if group.significance == "high" and group.policy != "append"
    )


def _none_of(fields: tuple[str, ...], seen: Collection[str]) -> tuple[str, ...]:
    return () if set(fields) & set(seen) else fields[:1]
