"""What is read beside a change of an allergy: the reactions on record, and medicines in force that contain the substance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canonical.clinical_list import is_active
from canonical.concepts import same_concept
from canonical.entry_words import Entry
from canonical.medication_context import allergy, in_force, medicine, named_in
from canonical.review_context import ContextWanted, Subject

CLASS_NOT_CHECKED = (
    "Medicines of the same class: could not be checked, because nothing here knows the classes of medicines."
)


def _on_record(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the entries of the same substance, and what else is active, in words."""
    substance = _substance(subject, entries)
    same = [item for item in entries if same_concept(substance, item.get("code"))]
    rest = [item for item in entries if item not in same and is_active(item)]
    return (
        *(f"Same substance: {allergy(item)}{'' if is_active(item) else ', not active'}" for item in same),
        *(allergy(item) for item in rest),
    )


def _containing(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    substance = _substance(subject, ())
    if not substance:
        return ("Medicines that contain it: could not be checked, because the change names no substance.",)
    found = [
        medicine(item, subject)
        for item in entries
        if in_force(item) and any(same_concept(substance, name) for name in named_in(item))
    ]
    return (*(f"Contains it: {item}" for item in found), CLASS_NOT_CHECKED)


def _substance(subject: Subject, entries: Sequence[Entry]) -> Mapping[str, Any]:
    said = subject.envelope.action.as_json().get("code")
    seen = (subject.envelope.target.seen or {}).get("code") if subject.envelope.target else None
    target = (item.get("code") for item in entries if item.get("reference") == subject.reference)
    found = said or seen or next(target, None)
    return found if isinstance(found, Mapping) else {}


CONTEXT = (
    ContextWanted(resource_type="AllergyIntolerance", title="Allergies on record", select=_on_record),
    ContextWanted(resource_type="MedicationStatement", title="Medicines that contain it", select=_containing),
)
