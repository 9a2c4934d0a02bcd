"""What a pharmacist reads beside a change of a medicine: other medicines in force, allergies, weight, kidneys. It checks nothing.

Ingredients come from the entries alone. There is no terminology here, so what is of the same class is not known, and is said
not to be.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from canonical.clinical_list import is_active
from canonical.code_systems import LOINC
from canonical.concepts import codes, same_concept, words
from canonical.entry_words import (
    Entry,
    concept,
    concepts,
    dosages,
    first_time,
    latest_first,
    line,
    objects,
    quantity,
    when,
)
from canonical.review_context import NOTHING, ContextWanted, Subject
from canonical.vital_signs import vital_signs
from canonical.wording import holds, plain

CLASS_NOT_CHECKED = "Same class: not checked (no list of classes here)."
INGREDIENT_NOT_CHECKED = "Same ingredient: not checked (the change names none)."
#: Statuses of what is over or never was. Source: HL7 FHIR R4, ``medication-statement-status``, ``medicationrequest-status``.
_OVER = frozenset({"completed", "entered-in-error", "stopped", "not-taken", "cancelled", "draft"})
#: Intents of what nobody ordered yet. Source: HL7 FHIR R4, ``medicationrequest-intent``.
_NOT_ORDERED = frozenset({"proposal", "option"})
#: Term types of RxNorm that name a substance and no product.
_SUBSTANCES = frozenset({"IN", "PIN", "MIN"})
_TAKEN = ("effectiveDateTime", "effectivePeriod", "authoredOn", "dateAsserted")
_MEASURED = ("effectiveDateTime", "effectivePeriod", "issued")


def in_force(entry: Entry) -> bool:
    """Whether an entry of a medication list is neither over nor an error, and no mere proposal."""
    return entry.get("status") not in _OVER and entry.get("intent") not in _NOT_ORDERED


def named_in(entry: Mapping[str, Any]) -> list[Any]:
    """Return the concepts by which an entry names a medicine and its ingredients; an order has FHIR's own name for them."""
    named = entry.get("medication") or entry.get("medicationCodeableConcept")
    return [item for item in [named, *objects(entry.get("ingredient"))] if item]


def substances_in(entry: Mapping[str, Any]) -> list[Any]:
    """Return the concepts by which an entry names its ingredients: a medicine that is named by its substance is one."""
    named = [entry.get("medication")] if entry.get("medicationTermType") in _SUBSTANCES else []
    return [item for item in [*named, *objects(entry.get("ingredient"))] if item]


def shares(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two entries have one medicine or ingredient in common: by code, in the same words, or by an ingredient's name.

    The name of an ingredient counts wherever it stands as a whole in what the other calls its medicine: "warfarin" in "warfarin
    sodium 5 MG Oral Tablet". What neither code nor word tells is not known here.
    """
    if any(same_concept(mine, theirs) for mine in named_in(one) for theirs in named_in(other)):
        return True
    return _has_substance_of(one, other) or _has_substance_of(other, one)


def _has_substance_of(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = {plain(text) for concept in substances_in(other) for text in words(concept)} - {""}
    return any(holds(text, names) for concept in named_in(one) for text in words(concept))


def medicine(entry: Entry, subject: Subject) -> str:
    """Return one entry of a medication list in words."""
    since = first_time(entry, _TAKEN)
    name = next(map(concept, named_in(entry)), "") or "a medicine that the entry does not name"
    directions = dosages(entry.get("dosage") or entry.get("dosageInstruction"))
    reason = concepts(entry.get("reasonCode"))
    return line(
        f"{name}: {directions or 'no directions'}",
        str(entry.get("status") or "no status"),
        f"since {when(since, subject.zone)}" if since else "",
        f"for {reason}" if reason else "",
    )


def _others(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    action = subject.envelope.action.as_json()
    active = [item for item in entries if in_force(item) and item.get("reference") != subject.reference]
    same = [item for item in active if shares(action, item)]
    rest = [item for item in active if item not in same]
    return (
        *(f"Same medicine or ingredient: {medicine(item, subject)}" for item in same),
        *(medicine(item, subject) for item in latest_first(rest, _TAKEN)),
        *(() if substances_in(action) else (INGREDIENT_NOT_CHECKED,)),
        CLASS_NOT_CHECKED,
    )


def allergy(entry: Entry) -> str:
    """Return one entry of an allergy list in words."""
    reactions = [
        line(concepts(item.get("manifestation")), str(item.get("severity") or ""))
        for item in objects(entry.get("reaction"))
    ]
    told = "; ".join(item for item in reactions if item)
    return line(
        f"{concept(entry.get('code')) or 'a substance that the entry does not name'}: {told or 'no reaction stated'}",
        f"criticality {entry['criticality']}" if entry.get("criticality") else "",
        str(entry["verificationStatus"]) if entry.get("verificationStatus") else "",
    )


def _allergies(_subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(allergy(item) for item in entries if is_active(item))


def measurement(entry: Entry, subject: Subject) -> str:
    """Return one measurement in words: what was measured, how much and when."""
    parts = [f"{concept(item.get('code'))} {_amount(item)}" for item in objects(entry.get("component"))]
    time = first_time(entry, _MEASURED)
    return line(
        f"{concept(entry.get('code'))}: {_amount(entry) if not parts else ', '.join(parts)}",
        when(time, subject.zone) if time else "no time stated",
        str(entry.get("status") or ""),
    )


def _amount(item: Mapping[str, Any]) -> str:
    said = quantity(item.get("valueQuantity")) or concept(item.get("valueCodeableConcept"))
    absent = concept(item.get("dataAbsentReason"))
    return said or str(item.get("valueString") or "") or (f"no value: {absent}" if absent else "no value")


def _weight(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    return _latest(subject, entries, vital_signs()["body-weight"].loinc)


def _kidneys(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    lists = _renal_function()
    found = (
        *_latest(subject, entries, lists["filtration"]),
        *_latest(subject, entries, lists["creatinine"]),
    )
    return found or (NOTHING,)


@cache
def _renal_function() -> Mapping[str, tuple[str, ...]]:
    data = tomllib.loads(files("canonical").joinpath("data/renal_function.toml").read_text("utf-8"))
    return {name: tuple(data[name]) for name in ("filtration", "creatinine")}


def _latest(subject: Subject, entries: Sequence[Entry], loinc: Sequence[str]) -> tuple[str, ...]:
    """Return the latest measurement of one of the codes, in words."""
    wanted = {(LOINC, code) for code in loinc}
    found = [item for item in entries if codes(item.get("code")) & wanted and item.get("status") != "entered-in-error"]
    return tuple(measurement(item, subject) for item in latest_first(found, _MEASURED)[:1])


CONTEXT = (
    ContextWanted(resource_type="MedicationStatement", title="Other medicines on the list", select=_others),
    ContextWanted(resource_type="MedicationRequest", title="Orders in force", select=_others),
    ContextWanted(resource_type="AllergyIntolerance", title="Active allergies", select=_allergies),
    ContextWanted(resource_type="Observation", title="Weight", select=_weight),
    ContextWanted(resource_type="Observation", title="Renal function", select=_kidneys),
)
