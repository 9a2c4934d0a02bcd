"""``MedicationChange`` as an R4 MedicationStatement, the documented list; never an order, told once for writing and reading.

The SIG and the structured dose go out as written, neither made from the other.

Source: HL7 FHIR R4 (4.0.1) MedicationStatement, Medication.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.comparable import comparable
from adapters.r4.fields import Field, agree, appended, choice, extension, plain, put
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Resource

_ID = "medication"
_STATEMENT_CATEGORY = "http://terminology.hl7.org/CodeSystem/medication-statement-category"
#: R4's categories for statements have no "discharge"; those for requests do.
_REQUEST_CATEGORY = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
CATEGORIES: Mapping[str, dict[str, str]] = {
    "inpatient": {"system": _STATEMENT_CATEGORY, "code": "inpatient"},
    "outpatient": {"system": _STATEMENT_CATEGORY, "code": "outpatient"},
    "community": {"system": _STATEMENT_CATEGORY, "code": "community"},
    "discharge": {"system": _REQUEST_CATEGORY, "code": "discharge"},
}
_NAMED = ("medicationCodeableConcept", "medicationReference")
_EFFECTIVE = ("effectiveDateTime", "effectivePeriod")
_LIVE = frozenset({"active", "intended", "on-hold", "unknown"})
#: operation → (statuses it may start from, status it leads to; ``None``: unchanged). A status ended for good is not revived.
STATUS_MOVES: Mapping[str, tuple[frozenset[str], str | None]] = {
    "changeDose": (_LIVE, None),
    "hold": (_LIVE, "on-hold"),
    "resume": (frozenset({"on-hold", "not-taken"}), "active"),
    "stop": (_LIVE | {"not-taken"}, "stopped"),
    "notTaking": (_LIVE, "not-taken"),
    "correct": (_LIVE | {"not-taken", "stopped", "completed"}, None),
    "retract": (_LIVE | {"not-taken", "stopped", "completed"}, "entered-in-error"),
}
#: What is said about a status ends with it: operations that clear these unless the action states them anew.
ENDS_WITH_STATUS: Mapping[str, tuple[str, ...]] = {
    "resume": ("statusReason", "expectedResume"),
    "stop": ("expectedResume",),
    "notTaking": ("expectedResume",),
}


def _contained(resource: Resource) -> dict[str, Any] | None:
    here = (item for item in resource.get("contained", []) if item.get("resourceType") == "Medication")
    reference = resource.get("medicationReference", {}).get("reference")
    return next((item for item in here if f"#{item.get('id')}" == reference), None)


def _read_medication(resource: Resource) -> Any:
    contained = _contained(resource)
    if contained is not None:
        return contained.get("code")
    # A reference to a Medication of the EHR names it no better than the EHR does.
    return resource.get("medicationCodeableConcept") or resource.get("medicationReference")


def _write_medication(resource: Resource, value: Any) -> None:
    contained = _contained(resource)
    if contained is not None:
        _replace_contained(resource, {**contained, "code": value})
    else:
        put(resource, "medicationReference", None)
        put(resource, "medicationCodeableConcept", value)


def _replace_contained(resource: Resource, medication: dict[str, Any]) -> None:
    old = _contained(resource)
    others = [item for item in resource.get("contained", []) if item is not old]
    for element in _NAMED:
        put(resource, element, None)
    put(resource, "contained", [*others, medication])
    put(resource, "medicationReference", {"reference": f"#{medication['id']}"})


def _described(resource: Resource) -> dict[str, Any]:
    """Return the contained Medication, or a new one where the statement names its medication by code only."""
    code = resource.get("medicationCodeableConcept")
    return dict(_contained(resource) or {"resourceType": "Medication", "id": _ID, "code": code})


def _write_form(resource: Resource, value: Any) -> None:
    if value is None and _contained(resource) is None:
        return
    medication = _described(resource)
    put(medication, "form", value)
    _replace_contained(resource, medication)


def _read_form(resource: Resource) -> Any:
    return (_contained(resource) or {}).get("form")


def _ingredients(resource: Resource) -> list[dict[str, Any]]:
    return list((_contained(resource) or {}).get("ingredient", []))


def _write_ingredients(resource: Resource, value: Any) -> None:
    if value is None and _contained(resource) is None:
        return
    medication = _described(resource)
    put(medication, "ingredient", [{"itemCodeableConcept": concept} for concept in value or []])
    _replace_contained(resource, medication)


def _read_ingredients(resource: Resource) -> Any:
    medication = _contained(resource) or {}
    concepts = [item.get("itemCodeableConcept") for item in _ingredients(resource)]
    # The strength of a single substance stands with that substance; then it is no ingredient anybody named.
    return None if concepts == [medication.get("code")] else concepts


def _write_strength(resource: Resource, value: Any) -> None:
    if value is None and _contained(resource) is None:
        return
    medication = _described(resource)
    ingredients = _ingredients(resource) or [{"itemCodeableConcept": medication["code"]}]
    if value is not None and len(ingredients) > 1:
        raise UnsupportedActionError("one strength cannot be stated for several ingredients")
    put(medication, "ingredient", [_with_strength(item, value) for item in ingredients])
    _replace_contained(resource, medication)


def _with_strength(ingredient: Mapping[str, Any], value: Any) -> dict[str, Any]:
    changed = dict(ingredient)
    put(changed, "strength", value)
    return changed


def _read_strength(resource: Resource) -> Any:
    return next((item.get("strength") for item in _ingredients(resource)), None)


def _write_category(resource: Resource, value: Any) -> None:
    put(resource, "category", None if value is None else {"coding": [CATEGORIES[value]]})


def _read_category(resource: Resource) -> Any:
    codings = resource.get("category", {}).get("coding", [])
    known = (name for name, coding in CATEGORIES.items() if any(coding.items() <= item.items() for item in codings))
    return next(known, resource.get("category"))


#: Every field of ``MedicationChange`` that reaches the chart; ``medicationTermType`` only helps our own checks. In this
#: order: what describes the medication builds on its code.
FIELDS: tuple[Field, ...] = (
    Field(name="category", read=_read_category, write=_write_category),
    Field(name="medication", read=_read_medication, write=_write_medication),
    Field(name="ingredient", read=_read_ingredients, write=_write_ingredients),
    Field(name="form", read=_read_form, write=_write_form),
    Field(name="strength", read=_read_strength, write=_write_strength),
    extension("isOtc", "valueBoolean"),
    plain("dosage"),
    choice("effectivePeriod", _EFFECTIVE),
    plain("statusReason"),
    extension("expectedResume", "valueDateTime"),
    plain("reasonCode"),
    plain("reasonReference"),
    plain("informationSource"),
    extension("informationSourceRole", "valueCode"),
    extension("prescriber", "valueReference"),
    extension("prescriberAbsent", "valueCode"),
    plain("dateAsserted"),
    plain("derivedFrom"),
    plain("basedOn"),
    extension("replaces", "valueReference"),
    appended("note"),
)
#: What describes the medication as its author knows it: sent along for recognition, written only by ``start`` and ``correct``.
_DESCRIBES = ("medication", "medicationTermType", "ingredient", "form", "strength", "isOtc", "category")
_COURSE = (
    "effectivePeriod", "statusReason", "reasonCode", "reasonReference", "informationSource", "informationSourceRole",
    "prescriber", "prescriberAbsent", "dateAsserted", "derivedFrom", "basedOn", "note",
)  # fmt: skip
#: operation → fields it writes; whatever else it carries is refused, never dropped.
WRITES: Mapping[str, tuple[str, ...]] = {
    "changeDose": ("dosage", *_COURSE),
    "hold": ("expectedResume", *_COURSE),
    "resume": ("expectedResume", *_COURSE),
    "stop": _COURSE,
    "notTaking": _COURSE,
    "correct": tuple(field.name for field in FIELDS),
    "retract": ("statusReason", "note"),
}


def start(change: Change) -> Resource:
    """Build the MedicationStatement of a medication newly documented."""
    resource = new_resource("MedicationStatement", change, status="active")
    put(resource, "context", change.encounter)
    write_fields(resource, FIELDS, change.content)
    return resource


def update(change: Change) -> Resource:
    """Build the target after the change.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_medication``: send nothing.
    """
    writes = WRITES[change.operation]
    refuse_besides(change, (*writes, *_DESCRIBES))
    resource = copy_of_current(change)
    _check_medication(change, resource)
    status = _next_status(change.operation, resource.get("status"))
    cleared = dict.fromkeys(ENDS_WITH_STATUS.get(change.operation, ()))
    said = {name: value for name, value in change.content.items() if name in writes}
    write_fields(resource, FIELDS, {**cleared, **said})
    resource["status"] = status
    return resource


def _next_status(operation: str, status: object) -> str:
    allowed, leads_to = STATUS_MOVES[operation]
    if not isinstance(status, str) or status not in allowed:
        raise NeedsPersonError("status_ended", "The entry has a status from which this change is not possible.")
    return leads_to or status


def _check_medication(change: Change, resource: Resource) -> None:
    """Only a correction may make an entry speak of another medication or strength."""
    if change.operation == "correct":
        return
    named, here = change.content.get("medication"), _read_medication(resource)
    # A reference to a Medication of the EHR cannot be compared with a code; it must be among what the author saw, which is
    # compared with the chart as a whole.
    is_reference = isinstance(here, Mapping) and "reference" in here
    same = "medication" in change.seen if is_reference else named is None or agree(named, here)
    if not same:
        raise NeedsPersonError("other_medication", "The target is another medication than the action names.")
    strength, known = change.content.get("strength"), _read_strength(resource)
    base = change.site.base_url
    if strength is not None and known is not None and comparable(strength, base) != comparable(known, base):
        raise NeedsPersonError("other_medication", "The target has another strength than the action names.")


_UPDATE = Handler(resource_type="MedicationStatement", build=update)
HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("MedicationChange", "start"): Handler(resource_type="MedicationStatement", build=start, creates=True),
    **{("MedicationChange", operation): _UPDATE for operation in WRITES},
}
