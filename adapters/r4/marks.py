"""Our marks in a resource: the identifier of the command that created it, and that of the latest command that changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from canonical.ports import Resource


def _identifier(mark: str) -> dict[str, str]:
    system, _, value = mark.rpartition("|")
    return {"system": system, "value": value}


def add_mark(resource: Resource, mark: str) -> None:
    """Put ``mark`` (``system|value``) among the identifiers, in place of an earlier one of its system; others are kept."""
    ours = _identifier(mark)
    others = [item for item in resource.get("identifier", []) if item.get("system") != ours["system"]]
    resource["identifier"] = [*others, ours]


def has_mark(resource: Mapping[str, Any], mark: str) -> bool:
    """Whether a resource carries ``mark``."""
    ours = _identifier(mark)
    return any(
        isinstance(item, Mapping) and item.get("system") == ours["system"] and item.get("value") == ours["value"]
        for item in resource.get("identifier", [])
    )


def search_by(mark: str) -> str:
    """Return the search that finds ``mark``, encoded, without a leading ``?``; also what ``If-None-Exist`` carries."""
    return f"identifier={quote(mark, safe='')}"
