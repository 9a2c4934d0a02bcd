"""Whether a medicine to be started is on the patient's medication list already, and active. No class, no interaction, no dose.

What is known of a medicine is what its entry says: there is no terminology here. So nothing here proves that there is no
duplicate, and whoever tells of it says what was looked for and what was not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from canonical.action import Caveat, Finding, Surroundings
from canonical.concepts import codes, words
from canonical.medication_context import in_force, named_in, shares, substances_in

if TYPE_CHECKING:
    from canonical.capabilities import Capabilities
    from canonical.envelope import Envelope

Entry = Mapping[str, Any]
START = "start"
UNREADABLE = Caveat(
    mark="duplicates-not-checked",
    sentence="Duplicates and interactions are not checked: the medication list of this EHR cannot be read.",
)
NO_INGREDIENT = Caveat(
    mark="ingredients-not-checked",
    sentence=(
        "Before it is sent, the medication list is looked through for the same medicine alone, since no ingredient is named: "
        "other duplicates are not checked, and interactions are not checked."
    ),
)
LOOKED_FOR = Caveat(
    sentence=(
        "Before it is sent, the medication list is looked through for the same ingredient, by code and by name; "
        "interactions are not checked."
    )
)


def judge(envelope: Envelope, entries: Sequence[Entry]) -> list[Finding]:
    """Return what a pharmacist must decide before the medicine is started."""
    return judge_start(envelope, entries)


def judge_start(envelope: Envelope, entries: Sequence[Entry], *, ended: Collection[str] = ()) -> list[Finding]:
    """Return the same, with the entries ``ended`` (``Type/id``) counting as over.

    The order that it documents is no other therapy: its author named it. An entry that names no medicine may be the same one.
    """
    action = envelope.action.as_json()
    left_out = {item.get("reference") for item in action.get("basedOn") or ()} | set(ended)
    active = [entry for entry in entries if in_force(entry) and entry.get("reference") not in left_out]
    same = [entry for entry in active if shares(action, entry)]
    if same:
        return [
            _holds("possible_duplicate_therapy", "the same medicine or ingredient is on the list, and active", same)
        ]
    nameless = [entry for entry in active if not _is_named(entry)]
    if nameless:
        return [
            _holds("medicine_not_named", "the list has an active entry of which nobody can tell the medicine", nameless)
        ]
    return []


def caveats(envelope: Envelope, known: Capabilities) -> tuple[Caveat, ...]:
    """Return what the receipt of a start says of what is looked for in the list, and of what is not."""
    if envelope.action.operation != START:
        return ()
    if not known.medication_list.types:
        return (UNREADABLE,)
    return (LOOKED_FOR if substances_in(envelope.action.as_json()) else NO_INGREDIENT,)


def _is_named(entry: Entry) -> bool:
    return any(codes(concept) or any(text.strip() for text in words(concept)) for concept in named_in(entry))


def _holds(kind: str, detail: str, entries: Sequence[Entry]) -> Finding:
    about = tuple(sorted(str(entry.get("reference")) for entry in entries))
    return Finding(kind=kind, severity="high", holds=True, pointer="/action/medication", detail=detail, about=about)


SURROUNDINGS = Surroundings(medicines=True, operations=frozenset({START}), judge=judge)
