"""Correlation id and trace context of a request: taken from it or made here, and always given back. Headers only."""

import re
import secrets
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CORRELATION_HEADER = "X-Correlation-Id"
_CORRELATION = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
#: W3C Trace Context, version 00; an id of zeros is invalid.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Tracing:
    """ASGI middleware: puts ``correlation_id`` and ``traceparent`` into the request's state and the answer's headers."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        correlation_id = _valid(_CORRELATION, headers.get(CORRELATION_HEADER)) or str(uuid4())
        traceparent = _valid(_TRACEPARENT, headers.get("traceparent")) or new_traceparent()
        scope.setdefault("state", {}).update(correlation_id=correlation_id, traceparent=traceparent)

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.setdefault(CORRELATION_HEADER, correlation_id)
                answer.setdefault("traceparent", traceparent)
            await send(message)

        await self._app(scope, receive, send_with_ids)


def new_traceparent() -> str:
    """Return a W3C ``traceparent`` that begins a trace here, not sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def _valid(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None
