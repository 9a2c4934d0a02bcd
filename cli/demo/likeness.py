"""Whether a reading in a chart is the one that an action meant, where an EHR keeps no identifier of ours. Judged by content."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from cli.demo.people import Resource, code_of


def is_reading_of(resource: Resource, envelope: Mapping[str, Any]) -> bool:
    """Return whether an Observation says what the `record` in `envelope` said: patient, code, instant, number and unit."""
    action = envelope["action"]
    return (
        resource.get("resourceType") == "Observation"
        and resource.get("status") == "final"
        and resource.get("subject", {}).get("reference") == envelope["patient"]["reference"]
        and _codes(resource) & _codes(action) != set()
        and _instant(resource.get("effectiveDateTime")) == _instant(action["effectiveDateTime"])
        and _amount(resource.get("valueQuantity")) == _amount(action["valueQuantity"])
    )


def is_among(resource: Resource, codes: frozenset[str]) -> bool:
    """Return whether a resource is a reading of one of the LOINC `codes`."""
    return resource.get("resourceType") == "Observation" and code_of(resource) in codes


def _codes(element: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(it.get("system", ""), it["code"]) for it in element.get("code", {}).get("coding", []) if "code" in it}


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _amount(quantity: Mapping[str, Any] | None) -> tuple[Decimal, str] | None:
    return (Decimal(str(quantity["value"])), quantity.get("code", "")) if quantity else None
