"""What the chart's other allergies say about an entry to come: the same allergy already there, or "nothing known" beside one.

Where an allergy makes "nothing known" of its scope untrue, the adapter retires that statement with it; a person is asked only
where that cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from canonical.action import Finding, Surroundings
from canonical.allergy_lists import contradicts, none_known_scope, reads_as_none_known
from canonical.clinical_list import Entry, others
from canonical.concepts import same_concept

if TYPE_CHECKING:
    from canonical.actions.allergy_update import AllergyUpdate
    from canonical.envelope import Envelope


def judge(envelope: Envelope, entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return what a person must decide before the entry is sent."""
    action = cast("AllergyUpdate", envelope.action)
    active = others(envelope, entries)
    if action.operation == "assertNoneKnown":
        return _of_none_known(str(action.none_known_scope), active)
    if action.code is None or (action.operation == "update" and not _names_target(envelope)):
        return []
    code = action.code.as_json()
    found = _of_same(code, active)
    return found if action.operation == "update" else found + _of_unclear(code, action.category or (), active)


def _names_target(envelope: Envelope) -> bool:
    """An entry that is named by our command cannot be told from another of the same substance here."""
    return envelope.target is not None and envelope.target.reference is not None


def _of_none_known(scope: str, active: Sequence[Entry]) -> list[Finding]:
    if any(none_known_scope(entry.get("code")) == scope for entry in active):
        return [_holds("possible_duplicate", "/action/noneKnownScope", "the chart says already that nothing is known")]
    allergies = [entry for entry in active if not _is_none_known(entry)]
    if any(_contradicts(scope, entry) is not False for entry in allergies):
        detail = "the chart has an active allergy of this scope, or one of which that cannot be told"
        return [_holds("active_allergy", "/action/noneKnownScope", detail)]
    return []


def _of_same(code: Mapping[str, Any], active: Sequence[Entry]) -> list[Finding]:
    if not any(same_concept(code, entry.get("code")) for entry in active):
        return []
    return [_holds("possible_duplicate", "/action/code", "the chart has an active allergy to the same already")]


def _of_unclear(code: Mapping[str, Any], categories: Sequence[str], active: Sequence[Entry]) -> list[Finding]:
    scopes = [none_known_scope(entry.get("code")) for entry in active]
    unclear = any(contradicts(scope, code=code, categories=categories) is None for scope in scopes if scope is not None)
    if not unclear and not any(reads_as_none_known(entry.get("code")) for entry in active):
        return []
    detail = "the chart says that nothing is known, and it cannot be told whether that is of this kind of allergy"
    return [_holds("none_known_unclear", "/action/category", detail)]


def _is_none_known(entry: Entry) -> bool:
    return none_known_scope(entry.get("code")) is not None or reads_as_none_known(entry.get("code"))


def _contradicts(scope: str, entry: Entry) -> bool | None:
    return contradicts(scope, code=entry.get("code"), categories=entry.get("category") or ())


def _holds(kind: str, pointer: str, detail: str) -> Finding:
    return Finding(kind=kind, severity="high", holds=True, pointer=pointer, detail=detail)


SURROUNDINGS = Surroundings(
    resource_types=("AllergyIntolerance",), operations=frozenset({"record", "update", "assertNoneKnown"}), judge=judge
)
