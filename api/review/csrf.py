"""Whether a post comes from one of our own pages, in the session that the page was made for. Not who posts it."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from api.review.session import Session

#: How scripts of our pages send the token; forms send a field of the name :data:`FIELD`.
HEADER = "X-CSRF-Token"
FIELD = "csrf"


def is_from(origin: str, request: Request) -> bool:
    """Whether the browser says that ``request`` comes from a page of ``origin`` (scheme, host, port).

    Every browser says so in one header or the other. `Origin` is `null` for pages that name no referrer, so it then tells
    nothing; what says nothing at all is no browser with somebody's session in it.
    """
    site, said = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if said not in {None, "null", origin}:
        return False
    return said == origin if site is None else site in {"same-origin", "none"}


def is_of(session: Session, token: str, request: Request) -> bool:
    """Whether ``token``, or the one in the header where there is none, is the session's; compared in constant time."""
    given = token or request.headers.get(HEADER, "")
    return hmac.compare_digest(given.encode(), session.csrf.encode())
