"""What the chart's medication list says against a review of it: an entry that it leaves out. It judges no medicine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from canonical.action import Finding, Surroundings

if TYPE_CHECKING:
    from canonical.actions.medication_reconciliation import MedicationReconciliation
    from canonical.envelope import Envelope

#: Statuses of what is over or never was. Source: HL7 FHIR R4, value set ``medication-statement-status``.
_OVER = frozenset({"completed", "entered-in-error", "stopped", "not-taken"})


def judge(envelope: Envelope, entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return a finding that holds where an entry in force is neither changed nor reviewed: its author saw another list."""
    action = cast("MedicationReconciliation", envelope.action)
    told = {item.reference for item in action.reviewed or ()}
    told |= {change.target.reference for change in action.changes or () if change.target}
    if all(entry.get("status") in _OVER or entry.get("reference") in told for entry in entries):
        return []
    detail = "the chart's list has an entry that is neither changed nor reviewed"
    return [Finding(kind="list_incomplete", severity="high", holds=True, pointer="/action/reviewed", detail=detail)]


SURROUNDINGS = Surroundings(resource_type="MedicationStatement", operations=frozenset({"reconcile"}), judge=judge)
