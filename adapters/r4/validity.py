"""Whether what would leave is valid FHIR R4; it validates, it never serializes and never repairs.

The definitions are ``fhir.resources``' R4B models, which for the types written here have the elements of R4 (4.0.1).
They do not enforce required bindings; those are checked here, as data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from adapters.r4.invariants import broken, is_bound
from canonical.errors import InvalidPayloadError
from canonical.ports import Resource


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: resource type → required code of ``status``. Source: HL7 FHIR R4 (4.0.1), value sets of those elements.
STATUS: Mapping[str, frozenset[str]] = {
    "Observation": _codes("registered preliminary final amended corrected cancelled entered-in-error unknown"),
    "MedicationStatement": _codes("active completed entered-in-error intended stopped on-hold unknown not-taken"),
    "MedicationRequest": _codes("active on-hold cancelled completed entered-in-error stopped draft unknown"),
    "Medication": _codes("active inactive entered-in-error"),
    "Communication": _codes("preparation in-progress not-done on-hold stopped completed entered-in-error unknown"),
    "Task": _codes(
        "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed entered-in-error"
    ),
    "DocumentReference": _codes("current superseded entered-in-error"),
    "QuestionnaireResponse": _codes("in-progress completed amended entered-in-error stopped"),
    "Immunization": _codes("completed entered-in-error not-done"),
    "ServiceRequest": _codes("draft active on-hold revoked completed entered-in-error unknown"),
    "List": _codes("current retired entered-in-error"),
    "Device": _codes("active inactive entered-in-error unknown"),
    # It has none.
    "Provenance": frozenset(),
    # These have no ``status`` but two that are concepts: see ``invariants``.
    "AllergyIntolerance": frozenset(),
    "Condition": frozenset(),
}
#: element name, wherever it stands in the types above → required code.
BOUND: Mapping[str, frozenset[str]] = {
    "comparator": _codes("< <= >= >"),
    "durationUnit": _codes("s min h d wk mo a"),
    "periodUnit": _codes("s min h d wk mo a"),
    "priority": _codes("routine urgent asap stat"),
    "docStatus": _codes("preliminary final amended entered-in-error"),
    "dayOfWeek": _codes("mon tue wed thu fri sat sun"),
}


def problems(resource: Mapping[str, Any]) -> frozenset[str]:
    """Return what is wrong as ``Type.path: kind``, never with a value."""
    name = str(resource.get("resourceType"))
    if name not in STATUS:
        return frozenset({f"{name}: not a type that is written"})
    return frozenset([*_structure(name, resource), *_bindings(name, resource), *broken(name, resource)])


def check_valid(resource: Resource, *, before: Mapping[str, Any] | None = None) -> None:
    """Pass only what is valid; in an update, what the chart already had wrong (``before``) is left to its owners.

    Raises :class:`InvalidPayloadError` naming element paths: send nothing.
    """
    found = problems(resource)
    ours = found - problems(before) if found and before is not None else found
    if ours:
        raise InvalidPayloadError(f"What would be sent is not valid FHIR R4: {'; '.join(sorted(ours))}")


def _structure(name: str, resource: Mapping[str, Any]) -> Iterator[str]:
    try:
        get_fhir_model_class(name).model_validate(dict(resource))
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            yield f"{_path(name, item['loc'])}: {item['type'].replace('_', '-')}"


def _path(name: str, location: tuple[int | str, ...]) -> str:
    return name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _bindings(name: str, resource: Mapping[str, Any]) -> Iterator[str]:
    if "status" in resource and resource["status"] not in STATUS.get(name, frozenset()):
        yield f"{name}.status: code-invalid"
    yield from _bound(name, name, resource)


def _bound(path: str, place: str, element: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong below ``path`` (``Type.element[0]``), which without its positions is ``place``."""
    for name, item in element.items():
        here, there = f"{path}.{name}", f"{place}.{name}"
        if not (_is_code_of(name, item) and is_bound(there, item)):
            yield f"{here}: code-invalid"
        if isinstance(item, list):
            yield from _bound_in(here, there, item)
        elif isinstance(item, Mapping):
            yield from _bound(here, there, item)


def _bound_in(path: str, place: str, items: list[Any]) -> Iterator[str]:
    for index, item in enumerate(items):
        if isinstance(item, Mapping):
            yield from _bound(f"{path}[{index}]", place, item)
        elif isinstance(item, list):
            yield from _bound_in(f"{path}[{index}]", place, item)


def _is_code_of(name: str, value: Any) -> bool:
    if name not in BOUND:
        return True
    return all(code in BOUND[name] for code in (value if isinstance(value, list) else [value]))
