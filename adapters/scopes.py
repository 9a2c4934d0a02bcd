"""Whether a granted SMART scope covers an interaction; the words of v1 and v2. It asks for nothing.

Source: SMART App Launch 2.x, "Scopes for requesting FHIR Resources" (v1: read = rs, write = cud).
"""

from __future__ import annotations

import re

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
