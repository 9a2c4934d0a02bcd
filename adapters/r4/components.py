"""``Observation.component`` of a vital sign: its numbers, the cuff, and what the patient breathed. Not the single value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.fields import Field, has_code, put
from canonical.ports import Resource

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """Return a ``CodeableConcept`` with one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


CUFF_SIZE = concept(LOINC, "8358-4", "Blood pressure device Cuff size")
#: member of ``oxygen`` → (component code, its value element).
OXYGEN: Mapping[str, tuple[dict[str, Any], str]] = {
    "flow": (concept(LOINC, "3151-8", "Inhaled oxygen flow rate"), "valueQuantity"),
    "concentration": (concept(LOINC, "3150-0", "Inhaled oxygen concentration"), "valueQuantity"),
    "roomAir": (concept(SNOMED, "722742002", "Breathing room air"), "valueBoolean"),
}
#: Components that stand for a canonical field other than ``component``.
_OWN = (CUFF_SIZE, *(code for code, _ in OXYGEN.values()))


def _is(component: Mapping[str, Any], code: Mapping[str, Any]) -> bool:
    return any(has_code(component.get("code"), item.get("system"), item.get("code")) for item in code["coding"])


def _all(resource: Resource) -> list[dict[str, Any]]:
    return list(resource.get("component", []))


def _without(resource: Resource, *codes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for item in _all(resource) if not any(_is(item, code) for code in codes)]


def _value(resource: Resource, code: Mapping[str, Any], element: str) -> Any:
    return next((item.get(element) for item in _all(resource) if _is(item, code)), None)


def _write_components(resource: Resource, value: Any) -> None:
    """Replace components by code; those of other codes stay, as nobody said anything about them."""
    new = value or []
    if value is None:
        kept = [item for item in _all(resource) if any(_is(item, code) for code in _OWN)]
    else:
        kept = _without(resource, *(item["code"] for item in new if item["code"].get("coding")))
    put(resource, "component", [*new, *kept])


def _write_cuff_size(resource: Resource, value: Any) -> None:
    own = [] if value is None else [{"code": CUFF_SIZE, "valueCodeableConcept": value}]
    put(resource, "component", [*_without(resource, CUFF_SIZE), *own])


def _write_oxygen(resource: Resource, value: Any) -> None:
    said = value or {}
    own = [
        {"code": code, element: said[name]} for name, (code, element) in OXYGEN.items() if said.get(name) is not None
    ]
    put(resource, "component", [*_without(resource, *(code for code, _ in OXYGEN.values())), *own])


def _read_oxygen(resource: Resource) -> Any:
    found = {name: _value(resource, code, element) for name, (code, element) in OXYGEN.items()}
    return {name: value for name, value in found.items() if value is not None} or None


COMPONENT = Field(name="component", read=lambda resource: _without(resource, *_OWN), write=_write_components)
CUFF = Field(
    name="cuffSize",
    read=lambda resource: _value(resource, CUFF_SIZE, "valueCodeableConcept"),
    write=_write_cuff_size,
)
BREATHED = Field(name="oxygen", read=_read_oxygen, write=_write_oxygen)
