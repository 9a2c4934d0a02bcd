"""The pages of a search: their matches, and the request for the next one, which never leaves the EHR's own address.

Source: HL7 FHIR R4 (4.0.1), RESTful API, "Paging".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.adapter import Request
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

#: Pages of one search; a patient with more entries of one kind than these hold is for a person.
MOST_PAGES = 20


def matches(bundle: Mapping[str, Any]) -> list[Resource]:
    """Return the resources of a search bundle that were searched for, without what was included beside them."""
    entries = [item for item in bundle.get("entry", []) if isinstance(item, Mapping)]
    found = (item for item in entries if item.get("search", {}).get("mode", "match") == "match")
    return [item["resource"] for item in found if isinstance(item.get("resource"), Mapping)]


def next_page(bundle: Mapping[str, Any], request: Request, *, base_url: str) -> Request | None:
    """Return the request for the page after ``bundle``, or ``None`` where it is the last.

    Raises :class:`NeedsPersonError` ``not_readable`` where the link leads to another address: credentials go nowhere else.
    """
    links = {item.get("relation"): item.get("url") for item in bundle.get("link", []) if isinstance(item, Mapping)}
    url = links.get("next")
    if not isinstance(url, str):
        return None
    base = base_url.rstrip("/") + "/"
    if not url.startswith(base):
        raise NeedsPersonError("not_readable", "The EHR continues its list at another address.")
    return Request(method="GET", path=url.removeprefix(base), headers=request.headers)


def all_pages(request: Request, read: Callable[[Request], Resource], *, base_url: str) -> Iterator[Resource]:
    """Yield the bundles that ``read`` gives, page after page; raises as it does, and as :func:`next_page`.

    Raises :class:`NeedsPersonError` ``not_readable`` after :data:`MOST_PAGES` pages: what is not read whole proves nothing.
    """
    asked: Request | None = request
    for _ in range(MOST_PAGES):
        if asked is None:
            return
        bundle = read(asked)
        yield bundle
        asked = next_page(bundle, asked, base_url=base_url)
    if asked is not None:
        raise NeedsPersonError("not_readable", "The EHR has more entries of this patient than can be looked through.")
