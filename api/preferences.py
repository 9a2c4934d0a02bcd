"""What a request's headers wish: the key of a command, and how long to wait for the chart. Not what they authorise."""

from datetime import timedelta

import http_sf
from fastapi import Request

from canonical.errors import RefusedError
from canonical.idempotency import check_key

KEY_HEADER = "Idempotency-Key"
#: Longest wait for ``inChart``: below what proxies usually allow one request.
WAIT_LIMIT = timedelta(seconds=30)


def idempotency_key(request: Request) -> str | None:
    """Return the key of ``request``: a structured-field string (RFC 8941), or the bare characters; ``None`` without one.

    Raises ``RefusedError`` ``invalid-idempotency-key``.
    """
    values = request.headers.getlist(KEY_HEADER)
    if not values:
        return None
    value = values[0].strip()
    if len(values) > 1:
        raise RefusedError("invalid-idempotency-key", "Send one Idempotency-Key only.")
    return check_key(_string(value) if value.startswith('"') else value)


def _string(value: str) -> str:
    try:
        parsed = http_sf.parse(value.encode("latin-1"), tltype="item")
    except http_sf.StructuredFieldError:
        raise RefusedError("invalid-idempotency-key", "Idempotency-Key is not a structured-field string.") from None
    # check_key refuses what is left when the item was no plain string.
    return parsed[0] if isinstance(parsed, tuple) and type(parsed[0]) is str else ""


def wait_wish(request: Request) -> timedelta:
    """Return how long ``request`` would wait (``Prefer: wait=N``, RFC 7240), at most :data:`WAIT_LIMIT`; zero by default.

    A preference that cannot be read is left out, as the RFC says.
    """
    value = request.headers.get("prefer", "")
    try:
        preferences = http_sf.parse(value.encode("latin-1"), tltype="dictionary")
    except http_sf.StructuredFieldError:
        return timedelta(0)
    wish = preferences.get("wait") if isinstance(preferences, dict) else None
    seconds = wish[0] if isinstance(wish, tuple) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        return timedelta(0)
    return min(timedelta(seconds=min(seconds, 3600)), WAIT_LIMIT)
