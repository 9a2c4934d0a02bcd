"""What a request carries besides what its adapter put in it: the token, and the ids that tie it to its command. No transport."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.adapter import Request
from canonical import exact_json
from canonical.ports import Trace


def body_of(request: Request, token: str | None) -> bytes | None:
    """Return the body, with the token in it where that is how the EHR wants it; the journaled bytes never hold one."""
    if request.token_field is None or request.body is None:
        return request.body
    return exact_json.dumps({**exact_json.parse(request.body), request.token_field: token}).encode()


def headers_of(request: Request, trace: Trace, token: str | None) -> Mapping[str, str]:
    """Return the headers of a request; the token is among them unless it travels in the body."""
    headers = {
        "Accept": "application/fhir+json",
        "X-Correlation-Id": trace.correlation_id,
        "X-Request-Id": trace.request_id,
        **request.headers,
    }
    if trace.traceparent is not None:
        headers["traceparent"] = trace.traceparent
    if token is not None and request.token_field is None:
        headers["Authorization"] = f"Bearer {token}"
    return headers
