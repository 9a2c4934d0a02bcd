"""What the answer of a token endpoint that holds no token means for the connection: a table. It reads no token.

Whatever it means, the connection waits: without a token nothing was sent, so no command fails for it.

Source: RFC 6749 §4.1.2.1, §5.2; vendors answer a client they do not know with 400, 401 or 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import structlog

from adapters.retry_after import retry_after
from adapters.wire import Answer
from canonical import exact_json
from canonical.errors import ConfigurationError, EhrUnavailableError

log = structlog.get_logger()

#: ``error`` of the answer → what to wait for: somebody's correction, or the server. It says more than the status.
_BY_CODE: Mapping[str, str] = MappingProxyType(
    {
        "access_denied": "auth",
        "invalid_client": "auth",
        "invalid_grant": "auth",
        "invalid_request": "auth",
        "invalid_scope": "auth",
        "unauthorized_client": "auth",
        "unsupported_grant_type": "auth",
        "server_error": "outage",
        "temporarily_unavailable": "outage",
    }
)


def refusal(answer: Answer, now: datetime) -> EhrUnavailableError:
    """Return what to raise for an answer without a token; ``now`` is UTC. Of its text only a code of the table is logged."""
    code = _code(answer)
    reason = _reason(answer.status, code)
    log.warning("no access token was granted", action="token.refused", reason=reason, status=answer.status, error=code)
    return EhrUnavailableError(reason, None if reason == "auth" else retry_after(answer, now))


def unreadable_secret(error: ConfigurationError) -> EhrUnavailableError:
    """Return what to raise where a secret is not there (any more): the connection waits until it is put back."""
    log.error("no access token can be asked for", action="token.secret_missing", detail=str(error))
    return EhrUnavailableError("auth")


def _reason(status: int, code: str | None) -> str:
    if status == 429:
        return "throttled"
    if code is not None:
        return _BY_CODE[code]
    if status == 408 or status >= 500 or 300 <= status < 400:
        return "outage"
    return "auth"


def _code(answer: Answer) -> str | None:
    try:
        body = exact_json.parse(answer.body)
    except exact_json.InvalidJsonError:
        return None
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) and code in _BY_CODE else None
