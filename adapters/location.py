"""Where an EHR says that it put a resource: every shape of ``Location`` and ``Content-Location`` in one parser.

It never says where to send a request: scheme and host of a ``Location`` are somebody else's word and are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from adapters.wire import Answer

_PATH = re.compile(
    r"(?:^|/)(?P<type>[A-Z][A-Za-z]{2,40})/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[^/]{1,128}))?/?$"
)


@dataclass(frozen=True, kw_only=True)
class Located:
    """A resource an answer names: ``reference`` is ``Type/id``, ``version`` opaque and often not stated."""

    reference: str
    version: str | None = None


def parse_location(value: str) -> Located | None:
    """Return what a ``Location`` names, or ``None`` where it names no resource.

    Absolute, relative, rooted, with or without ``_history``, query or trailing slash, whatever the scheme and host.
    """
    try:
        path = urlsplit(value.strip()).path
    except ValueError:
        return None
    found = _PATH.search(path)
    if found is None:
        return None
    version = found["version"]
    return Located(
        reference=f"{found['type']}/{found['id']}", version=unquote(version) if version is not None else None
    )


def located(answer: Answer) -> Located | None:
    """Return the resource that ``Location``, else ``Content-Location``, of an answer names."""
    for name in ("location", "content-location"):
        found = parse_location(answer.headers.get(name, ""))
        if found is not None:
            return found
    return None
