"""Our marks in a resource: the identifier of the command that created it, and that of the latest command that changed it.

A QuestionnaireResponse has one identifier and no list: the create's mark stands there, the latest change's in an extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from adapters.r4.fields import EXTENSION_BASE, put_extension
from canonical.ports import Resource

#: Types with one identifier. Source: HL7 FHIR R4 (4.0.1), QuestionnaireResponse.
ONE_IDENTIFIER = frozenset({"QuestionnaireResponse"})
CHANGED_BY = EXTENSION_BASE + "changedBy"


def _identifier(mark: str) -> dict[str, str]:
    system, _, value = mark.rpartition("|")
    return {"system": system, "value": value}


def add_mark(resource: Resource, mark: str) -> None:
    """Put ``mark`` (``system|value``) among the identifiers, in place of an earlier one of its system; others are kept."""
    ours = _identifier(mark)
    if resource.get("resourceType") in ONE_IDENTIFIER:
        _add_beside_one(resource, ours)
        return
    others = [item for item in resource.get("identifier", []) if item.get("system") != ours["system"]]
    resource["identifier"] = [*others, ours]


def _add_beside_one(resource: Resource, ours: dict[str, str]) -> None:
    one = resource.get("identifier")
    if one is None or one.get("system") == ours["system"]:
        resource["identifier"] = ours
    else:
        put_extension(resource, CHANGED_BY, "valueIdentifier", ours)


def identifiers(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the identifiers of a resource, whether it has a list of them or one, and ours beside one."""
    found, extensions = resource.get("identifier"), resource.get("extension")
    listed = list(found) if isinstance(found, list) else [found]
    for item in extensions if isinstance(extensions, list) else []:
        if isinstance(item, Mapping) and item.get("url") == CHANGED_BY:
            listed.append(item.get("valueIdentifier"))
    return [item for item in listed if isinstance(item, Mapping)]


def has_mark(resource: Mapping[str, Any], mark: str) -> bool:
    """Whether a resource carries ``mark``."""
    ours = _identifier(mark)
    return any(
        item.get("system") == ours["system"] and item.get("value") == ours["value"] for item in identifiers(resource)
    )


def search_by(mark: str) -> str:
    """Return the search that finds ``mark``, encoded, without a leading ``?``; also what ``If-None-Exist`` carries."""
    return f"identifier={quote(mark, safe='')}"
