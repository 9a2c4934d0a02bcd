"""What the chart's other problems say about an entry to come: the same concept active already, by whichever code system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from canonical.action import Finding, Surroundings
from canonical.clinical_list import Entry, others
from canonical.concepts import same_concept

if TYPE_CHECKING:
    from canonical.actions.problem_update import ProblemUpdate
    from canonical.envelope import Envelope

_OF_AN_ENCOUNTER = "encounter-diagnosis"


def judge(envelope: Envelope, entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return what a person must decide before the entry is sent."""
    action = cast("ProblemUpdate", envelope.action)
    if action.code is None or not _can_tell(envelope):
        return []
    code = action.code.as_json()
    same = [entry for entry in others(envelope, entries) if same_concept(code, entry.get("code"))]
    if not any(_stands_beside(envelope, action.category, entry) for entry in same):
        return []
    detail = "the chart has the same problem already, and it is active"
    return [Finding(kind="possible_duplicate", severity="high", holds=True, pointer="/action/code", detail=detail)]


def _can_tell(envelope: Envelope) -> bool:
    """An entry that is to be updated and is named by our command cannot be told from another of the same here."""
    return envelope.action.operation != "update" or (
        envelope.target is not None and envelope.target.reference is not None
    )


def _stands_beside(envelope: Envelope, category: str, entry: Entry) -> bool:
    """The problem list and each encounter have lists of their own; an entry that names no list known to us counts in all."""
    said = entry.get("category")
    if not isinstance(said, str):
        return True
    if said != category:
        return False
    encounter = envelope.encounter.reference if envelope.encounter else None
    theirs = (entry.get("encounter") or {}).get("reference")
    return category != _OF_AN_ENCOUNTER or encounter is None or theirs in {None, encounter}


SURROUNDINGS = Surroundings(
    resource_types=("Condition",), operations=frozenset({"add", "update", "reactivate"}), judge=judge
)
