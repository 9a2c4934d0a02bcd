"""References inside resources, reduced to ``Type/id`` of this EHR; a reference to elsewhere is never taken for ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LITERAL = re.compile(r"(?P<local>[A-Z][A-Za-z]{2,40}/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")


def local(text: str, base_url: str) -> str:
    """Return ``Type/id`` for a reference to this EHR (relative or under ``base_url``), any other text unchanged.

    An absolute reference to another server stays absolute: the same id there is another patient.
    """
    base = base_url.rstrip("/") + "/"
    found = _LITERAL.fullmatch(text.removeprefix(base))
    return found["local"] if found else text


def reference_of(element: Any, base_url: str) -> str | None:
    """Return the literal reference in a ``Reference`` element as :func:`local` does."""
    text = element.get("reference") if isinstance(element, Mapping) else None
    return local(text, base_url) if isinstance(text, str) else None
