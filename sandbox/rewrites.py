"""What EHRs make of an accepted resource before they keep it, each as a function to build a rewrite with; not whose."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.personality import Resource, Situation
from sandbox.references import elements_at
from sandbox.units import converted, convertible

Rewrite = Callable[[Situation, Resource], Resource]

LOINC = "http://loinc.org"


def without(*names: str) -> Rewrite:
    """These elements are not kept."""

    def rewrite(_: Situation, resource: Resource) -> Resource:
        return {name: value for name, value in resource.items() if name not in names}

    return rewrite


def text_of_display(name: str) -> Rewrite:
    """The text of a concept becomes the display of its first coding that has one."""

    def rewrite(_: Situation, resource: Resource) -> Resource:
        displays = [it for it in elements_at(resource, f"{name}.coding.display") if isinstance(it, str)]
        return {**resource, name: {**resource[name], "text": displays[0]}} if displays else resource

    return rewrite


def first_only(name: str) -> Rewrite:
    """Of a list only the first element is kept."""

    def rewrite(_: Situation, resource: Resource) -> Resource:
        return {**resource, name: resource[name][:1]} if name in resource else resource

    return rewrite


def codes_of(resource: Resource, system: str = LOINC) -> list[str]:
    """The codes that an Observation has of a system."""
    return [
        coding["code"]
        for coding in elements_at(resource, "code.coding")
        if isinstance(coding, dict) and coding.get("system") == system and isinstance(coding.get("code"), str)
    ]


def in_unit(quantity: dict[str, Any], unit: str, places: int) -> dict[str, Any]:
    """A Quantity in another unit (UCUM); as it was where it cannot be had in that."""
    code, value = quantity.get("code"), quantity.get("value")
    if code == unit or not isinstance(code, str) or not convertible(code, unit) or isinstance(value, str | bool | None):
        return quantity
    return {**quantity, "value": converted(Decimal(str(value)), code, unit, places=places), "unit": unit, "code": unit}


def kept_in(units: dict[str, tuple[str, int]]) -> Rewrite:
    """A value is kept in the unit of its LOINC code: code → (UCUM unit, decimal places)."""

    def rewrite(_: Situation, resource: Resource) -> Resource:
        wanted = next((units[code] for code in codes_of(resource) if code in units), None)
        if wanted is None or not isinstance(resource.get("valueQuantity"), dict):
            return resource
        return {**resource, "valueQuantity": in_unit(resource["valueQuantity"], *wanted)}

    return rewrite
