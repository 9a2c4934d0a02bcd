"""What the chart's medication list says against a review of it: an entry left out, or a start of what is active already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from canonical.action import Caveat, Finding, Surroundings
from canonical.therapy import START, caveats, judge_start

if TYPE_CHECKING:
    from canonical.actions.medication_reconciliation import MedicationReconciliation
    from canonical.capabilities import Capabilities
    from canonical.envelope import Envelope

#: Statuses of what is over or never was. Source: HL7 FHIR R4, value set ``medication-statement-status``.
_OVER = frozenset({"completed", "entered-in-error", "stopped", "not-taken"})
_STATEMENT = "MedicationStatement/"
#: Operations after which an entry of the list is no therapy any more.
_ENDING = frozenset({"stop", "notTaking"})


def judge(envelope: Envelope, entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return what holds a review: an entry in force that it leaves out, or what it starts though it is on the list."""
    action = cast("MedicationReconciliation", envelope.action)
    changes = action.changes or ()
    ended = [one.target.reference for one in changes if one.target and one.action.operation in _ENDING]
    starts = (envelope.model_copy(update={"action": one.action}) for one in changes if one.action.operation == START)
    return [
        *_left_out(action, entries),
        *(item for start in starts for item in judge_start(start, entries, ended=ended)),
    ]


def _left_out(action: MedicationReconciliation, entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return a finding where an entry in force is neither changed nor reviewed: its author saw another list."""
    told = {item.reference for item in action.reviewed or ()}
    told |= {change.target.reference for change in action.changes or () if change.target}
    listed = (entry for entry in entries if str(entry.get("reference")).startswith(_STATEMENT))
    if all(entry.get("status") in _OVER or entry.get("reference") in told for entry in listed):
        return []
    detail = "the chart's list has an entry that is neither changed nor reviewed"
    return [Finding(kind="list_incomplete", severity="high", holds=True, pointer="/action/reviewed", detail=detail)]


def caveats_of_starts(envelope: Envelope, known: Capabilities) -> tuple[Caveat, ...]:
    """Return what the receipt of a review says of what it starts, each sentence once."""
    action = cast("MedicationReconciliation", envelope.action)
    starts = (envelope.model_copy(update={"action": one.action}) for one in action.changes or ())
    return tuple(dict.fromkeys(item for start in starts for item in caveats(start, known)))


SURROUNDINGS = Surroundings(
    resource_types=("MedicationStatement",),
    medicines=True,
    operations=frozenset({"reconcile"}),
    judge=judge,
    parts=frozenset({"MedicationChange"}),
)
