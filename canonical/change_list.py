"""What was decided as a list of changes on what the chart said: as JSON Patch and as FHIRPath Patch. It applies none of them.

Exact: a decimal that is only written otherwise (``72.5``, ``72.50``) is a change, and every value stands as it is to be.

Source: RFC 6902; HL7 FHIR R4 (4.0.1), FHIRPath Patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from canonical import exact_json
from canonical.differences import step

Json = dict[str, Any]


def json_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Json]:
    """Return the operations that make ``before`` (field → value) ``after``, in the order in which they must be applied."""
    return list(_members(before, after, ""))


def _steps(before: Any, after: Any, at: str) -> Iterator[Json]:
    if is_written_alike(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _members(before, after, at)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _items(before, after, at)
    else:
        yield {"op": "replace", "path": at, "value": after}


def _members(before: Mapping[str, Any], after: Mapping[str, Any], at: str) -> Iterator[Json]:
    yield from ({"op": "remove", "path": at + step(name)} for name in before if name not in after)
    for name, value in after.items():
        if name in before:
            yield from _steps(before[name], value, at + step(name))
        else:
            yield {"op": "add", "path": at + step(name), "value": value}


def _items(before: list[Any], after: list[Any], at: str) -> Iterator[Json]:
    """Place by place: what stands on is changed where it stands, and the end is cut or grows."""
    for place, (one, other) in enumerate(zip(before, after, strict=False)):
        yield from _steps(one, other, at + step(place))
    yield from ({"op": "remove", "path": at + step(place)} for place in reversed(range(len(after), len(before))))
    yield from ({"op": "add", "path": f"{at}/-", "value": value} for value in after[len(before) :])


def is_written_alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same to the last digit; the order of members does not count."""
    return exact_json.canonical_bytes(one) == exact_json.canonical_bytes(other)


def fhirpath_patch(
    resource_type: str, before: Mapping[str, Any], after: Mapping[str, Any], types: Mapping[str, str] | None = None
) -> Json:
    """Return ``Parameters`` that make ``before`` (element → value) ``after``; whole elements and whole items of lists.

    ``types`` are the R4 types of elements (of a list: of its items), such as ``CodeableConcept`` or ``dateTime``. What has none
    there goes by its shape: text as ``string``, and an object, as elements without a type of their own do, in named parts.
    """
    known = types or {}
    operations = [
        operation
        for name in dict.fromkeys((*before, *after))
        for operation in _element(resource_type, name, before.get(name), after.get(name), known.get(name))
    ]
    return {"resourceType": "Parameters", **({"parameter": operations} if operations else {})}


def _element(root: str, name: str, before: Any, after: Any, fhir_type: str | None) -> Iterator[Json]:
    path = f"{root}.{name}"
    if is_written_alike(before, after):
        return
    if isinstance(before, list) or isinstance(after, list):
        yield from _list(path, _as_list(before), _as_list(after), fhir_type)
    elif after is None:
        yield _operation("delete", path)
    elif before is None:
        yield _operation("add", root, {"name": "name", "valueString": name}, _value(after, fhir_type))
    else:
        yield _operation("replace", path, _value(after, fhir_type))


def _list(path: str, before: list[Any], after: list[Any], fhir_type: str | None) -> Iterator[Json]:
    for place, (one, other) in enumerate(zip(before, after, strict=False)):
        if not is_written_alike(one, other):
            yield _operation("replace", f"{path}[{place}]", _value(other, fhir_type))
    yield from (_operation("delete", f"{path}[{place}]") for place in reversed(range(len(after), len(before))))
    for place in range(len(before), len(after)):
        yield _operation("insert", path, {"name": "index", "valueInteger": place}, _value(after[place], fhir_type))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _operation(kind: str, path: str, *parts: Json) -> Json:
    what = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    return {"name": "operation", "part": [*what, *parts]}


def _value(value: Any, fhir_type: str | None, name: str = "value") -> Json:
    if fhir_type is not None:
        return {"name": name, f"value{fhir_type[0].upper()}{fhir_type[1:]}": value}
    if isinstance(value, Mapping):
        parts = [_value(one, None, member) for member, item in value.items() for one in _as_list(item)]
        return {"name": name, "part": parts}
    return _value(value, _primitive(value), name)


def _primitive(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "decimal" if isinstance(value, Decimal) else "string"
