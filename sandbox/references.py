"""Literal references of FHIR, told apart by where they lead; not what they lead to."""

import re
from typing import Any

_LOCAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")


def local_reference(text: str, base: str) -> tuple[str, str] | None:
    """Type and id of a reference into this chart, relative or absolute; None when it leads elsewhere."""
    found = _LOCAL.fullmatch(text.removeprefix(f"{base}/"))
    return (found["type"], found["id"]) if found else None


def reference_text(element: Any) -> str | None:
    """The literal reference of a Reference element; None for a logical one."""
    text = element.get("reference") if isinstance(element, dict) else None
    return text if isinstance(text, str) else None


def elements_at(resource: Any, path: str) -> list[Any]:
    """Every element a dotted path leads to; lists on the way are walked."""
    found = [resource]
    for name in path.split("."):
        found = [child for parent in found for child in _children(parent, name)]
    return found


def _children(parent: Any, name: str) -> list[Any]:
    if not isinstance(parent, dict) or name not in parent:
        return []
    child = parent[name]
    return child if isinstance(child, list) else [child]
