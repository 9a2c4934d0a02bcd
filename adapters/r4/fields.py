"""Where each canonical field stands in an R4 resource, told once for both directions: reading it out and writing it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.ports import Resource

#: URLs of what R4 has no element for.
EXTENSION_BASE = "urn:fhir-writeback:extension:"


@dataclass(frozen=True, kw_only=True)
class Field:
    """A canonical field (FHIR's spelling) and its place.

    ``read`` returns its canonical JSON or ``None``; ``write`` puts it into a resource in place, ``None`` clearing it.
    """

    name: str
    read: Callable[[Resource], Any]
    write: Callable[[Resource, Any], None]


def put(resource: Resource, element: str, value: Any) -> None:
    """Set or, with ``None`` or nothing in it, remove an element together with its primitive extension."""
    resource.pop(f"_{element}", None)
    if value is None or value == []:
        resource.pop(element, None)
    else:
        resource[element] = value


def plain(name: str, element: str | None = None) -> Field:
    """A field that stands as it is in ``element`` (by default of its own name)."""
    place = element or name
    return Field(
        name=name,
        read=lambda resource: resource.get(place),
        write=lambda resource, value: put(resource, place, value),
    )


def choice(name: str, among: Sequence[str]) -> Field:
    """A field that stands in the element of its own name and, written, takes the place of the others ``among``."""

    def write(resource: Resource, value: Any) -> None:
        if value is not None:
            for element in among:
                put(resource, element, None)
        put(resource, name, value)

    return Field(name=name, read=lambda resource: resource.get(name), write=write)


def extension_value(element: Mapping[str, Any], url: str, value_name: str) -> Any:
    """Return the value of the first extension with ``url``."""
    found = (item for item in element.get("extension", []) if item.get("url") == url)
    return next((item.get(value_name) for item in found), None)


def put_extension(element: Resource, url: str, value_name: str, value: Any) -> None:
    """Set or, with ``None``, remove the extension with ``url``; others are kept in their places."""
    kept = [item for item in element.get("extension", []) if item.get("url") != url]
    if value is not None:
        kept.append({"url": url, value_name: value})
    put(element, "extension", kept)


def extension(name: str, value_name: str, url: str | None = None) -> Field:
    """A field that stands in an extension; ours is named after the field where the standard has none."""
    address = url or EXTENSION_BASE + name
    return Field(
        name=name,
        read=lambda resource: extension_value(resource, address, value_name),
        write=lambda resource, value: put_extension(resource, address, value_name, value),
    )


def appended(name: str) -> Field:
    """A list that others write to as well: what is written is added, and nothing in it is ever removed by us."""

    def write(resource: Resource, value: Any) -> None:
        here = list(resource.get(name, []))
        put(resource, name, here + [item for item in value or [] if item not in here])

    return Field(name=name, read=lambda resource: resource.get(name), write=write)


def has_code(concept: Any, system: str, code: str) -> bool:
    """Whether a ``CodeableConcept`` holds a coding."""
    codings = concept.get("coding", []) if isinstance(concept, Mapping) else []
    return any(item.get("system") == system and item.get("code") == code for item in codings)


def agree(one: Any, other: Any) -> bool:
    """Whether two ``CodeableConcept`` name the same: by a coding, or, where they share no code system, by their texts."""
    first, second = _codes(one), _codes(other)
    if first & second:
        return True
    if {system for system, _ in first} & {system for system, _ in second}:
        return False
    return _text(one) is not None and _text(one) == _text(other)


def _codes(concept: Any) -> set[tuple[Any, Any]]:
    codings = concept.get("coding", []) if isinstance(concept, Mapping) else []
    return {(item.get("system"), item["code"]) for item in codings if item.get("code")}


def _text(concept: Any) -> str | None:
    text = concept.get("text") if isinstance(concept, Mapping) else None
    return " ".join(text.casefold().split()) if isinstance(text, str) else None
