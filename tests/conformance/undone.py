"""Whether a way back that the catalogue declares does in the chart what it says: looked at in the entry itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.compensation_catalogue import Means, WayBack, ways_to_undo
from store.intake import Accepted
from tests.conformance import examples
from tests.conformance.desk import Desk

#: Status elements of R4 resources, and what an entry that counts no more says in them.
_STATUSES = ("status", "verificationStatus", "docStatus")
_IN_ERROR, _CANCELLED = "entered-in-error", frozenset({"cancelled", "revoked"})


def look_at_means(desk: Desk, root: Accepted, action: str, operation: str) -> None:
    """The entry that was taken back is what the catalogue foretold of the operation that made it."""
    made = examples.before(action, operation)[0]
    (way,) = [item for item in ways_to_undo(desk.capabilities, action, made) if item.operation == operation]
    entry = desk.stored(desk.reference(root.command_id))
    assert _shows(way, entry), f"{action}.{made} was foretold to be undone by {way.means}"


def _shows(way: WayBack, entry: Mapping[str, Any]) -> bool:
    said = {code for name in _STATUSES for code in _codes(entry.get(name))}
    return bool(said & _CANCELLED) if way.means is Means.CANCEL_TASK else _IN_ERROR in said


def _codes(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return {str(coding.get("code")) for coding in value.get("coding", [])}
    return {str(value)} if value is not None else set()
