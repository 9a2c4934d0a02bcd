"""A vital sign reduced to its numbers by LOINC code, for interfaces that know no Observation; and one made of them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.accepted import code_in, codings
from adapters.measured import in_a_unit_of
from adapters.r4.components import LOINC
from canonical.code_systems import UCUM
from canonical.errors import UnsupportedActionError
from canonical.ports import Resource

PRESSURE, HALVES = "85354-9", ("8480-6", "8462-4")
Numbers = Mapping[str, Mapping[str, Any]]


def numbers_in(resource: Resource, units: Mapping[str, str]) -> Numbers:
    """Return the quantities of a reading by code, each in the unit (UCUM) that ``units`` has for it.

    Raises :class:`UnsupportedActionError` for a reading that is not one known number, or both halves of a blood pressure.
    """
    given = _given(resource, units)
    if not given or not set(given) <= set(units) or any(item is None for item in given.values()):
        raise UnsupportedActionError("this EHR has no element for this vital sign, or takes it as numbers only")
    return {code: _in_unit(item or {}, units[code]) for code, item in given.items()}


def _given(resource: Resource, units: Mapping[str, str]) -> dict[str, Mapping[str, Any] | None]:
    if code_in(resource["code"], LOINC) == PRESSURE:
        parts = {str(code_in(item["code"], LOINC)): item.get("valueQuantity") for item in resource.get("component", [])}
        return parts if set(parts) == set(HALVES) else {}
    codes = [str(item["code"]) for item in codings(resource["code"]) if item.get("system") == LOINC]
    known = [code for code in codes if code in units]
    return {known[0]: resource.get("valueQuantity")} if known and "component" not in resource else {}


def _in_unit(quantity: Mapping[str, Any], unit: str) -> dict[str, Any]:
    value, _ = in_a_unit_of(quantity, {unit: unit}, "this vital sign")
    return amount(value, unit)


def amount(value: Any, unit: str) -> dict[str, Any]:
    """Return a ``Quantity`` in a UCUM unit."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def stated(numbers: Numbers) -> dict[str, Any]:
    """Return ``code`` with the value or the components of an Observation that states ``numbers``."""
    if set(numbers) == set(HALVES):
        parts = [{"code": _concept(code), "valueQuantity": numbers[code]} for code in HALVES]
        return {"code": _concept(PRESSURE), "component": parts}
    ((code, quantity),) = numbers.items()
    return {"code": _concept(code), "valueQuantity": quantity}


def _concept(code: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code}]}
