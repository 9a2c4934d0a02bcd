"""Whether a granted SMART scope covers an interaction; the words of v1 and v2. It asks for nothing.

Source: SMART App Launch 2.x, "Scopes for requesting FHIR Resources" (v1: read = rs, write = cud).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

_SCOPE = re.compile(r"system/(?P<type>\*|[A-Za-z]+)\.(?P<rights>read|write|\*|[cruds]+)(?:\?.*)?")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}


def covers(granted: str, resource_type: str, right: str) -> bool:
    """Whether ``granted`` (space-separated, as the server spells it) allows ``right`` (one of ``c r u d s``) on a type."""
    for word in granted.split():
        found = _SCOPE.fullmatch(word)
        if found is None or found["type"] not in {"*", resource_type}:
            continue
        if right in _V1.get(found["rights"], found["rights"]):
            return True
    return False


def writes_beyond(granted: str, needed: Mapping[str, AbstractSet[str]]) -> tuple[str, ...]:
    """Return the words of ``granted`` that allow a write (``c u d``) which ``needed`` (FHIR type → rights) does not ask for.

    ``write`` of v1 cannot be said more narrowly: it is beyond only where the type needs none of it.
    """
    return tuple(word for word in granted.split() if _is_beyond(word, needed))


def _is_beyond(word: str, needed: Mapping[str, AbstractSet[str]]) -> bool:
    found = _SCOPE.fullmatch(word)
    if found is None:
        return False
    allowed = set(_V1.get(found["rights"], found["rights"])) & set("cud")
    wanted = needed.get(found["type"], frozenset())
    if found["rights"] == "write" and allowed & wanted:
        return False
    return bool(allowed - wanted)
