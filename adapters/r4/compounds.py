"""Actions that consist of others and end in an entry of their own, where an EHR is not known to have such an entry."""

from __future__ import annotations

from adapters.r4.support import refused

_NO_CLOSURE = (
    "No entry of this EHR is known here that could say that a gap is closed, and by what: send the evidence by itself."
)
_NO_REVIEW = "No entry of this EHR is known here that could hold a review of the list: send its changes one by one."
#: What a table declares of them where it has no way to write that entry.
NO_ENTRY = {
    **refused("CareGapClosure", dict.fromkeys(("close", "retract"), _NO_CLOSURE)),
    **refused("MedicationReconciliation", dict.fromkeys(("reconcile", "retract"), _NO_REVIEW)),
}
