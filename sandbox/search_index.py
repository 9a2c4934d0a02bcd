"""What a stored resource can be found by; not the finding."""

from typing import Any

from sandbox.clinical_interval import Interval, interval_of_element
from sandbox.references import elements_at, local_reference, reference_text
from sandbox.resource_types import RESOURCE_TYPES, SearchParameter

#: (parameter, system, value); system is empty where there is none
IndexValue = tuple[str, str, str]
IndexDate = tuple[str, int, int]


def index_values(type: str, resource: dict[str, Any], *, base: str) -> list[IndexValue]:
    """Tokens, references and lower-cased strings of a resource, by search parameter."""
    found = []
    for name, parameter in RESOURCE_TYPES[type].search.items():
        for element in _elements(parameter, resource):
            found += [(name, system, value) for system, value in _values(name, parameter, element, base)]
    return found


def index_dates(type: str, resource: dict[str, Any]) -> list[IndexDate]:
    """Intervals of a resource's dates, by search parameter."""
    found: list[IndexDate] = []
    for name, parameter in RESOURCE_TYPES[type].search.items():
        if parameter.kind == "date":
            intervals = [_interval(element) for element in _elements(parameter, resource)]
            found += [(name, *interval) for interval in intervals if interval is not None]
    return found


def _elements(parameter: SearchParameter, resource: dict[str, Any]) -> list[Any]:
    return [element for path in parameter.paths for element in elements_at(resource, path)]


def _interval(element: object) -> Interval | None:
    try:
        return interval_of_element(element)
    except (ValueError, OverflowError):
        # A seeded resource may hold a date beyond what can be searched; it is kept, and not found by date.
        return None


def _values(name: str, parameter: SearchParameter, element: Any, base: str) -> list[tuple[str, str]]:
    if parameter.kind == "token":
        return _tokens(element)
    if parameter.kind == "string" and isinstance(element, str):
        return [("", element.casefold())]
    if parameter.kind == "reference":
        return _references(name, element, base)
    return []


def _tokens(element: Any) -> list[tuple[str, str]]:
    if isinstance(element, bool):
        return [("", str(element).lower())]
    if isinstance(element, str):
        return [("", element)]
    if not isinstance(element, dict):
        return []
    if "coding" in element:
        return [token for coding in element["coding"] for token in _tokens(coding)]
    value = element.get("code", element.get("value"))
    return [(str(element.get("system", "")), value)] if isinstance(value, str) else []


def _references(name: str, element: Any, base: str) -> list[tuple[str, str]]:
    text = reference_text(element)
    if text is None:
        return []
    local = local_reference(text, base)
    if name == "patient" and (local is None or local[0] != "Patient"):
        return []
    return [("", "/".join(local) if local else text)]
