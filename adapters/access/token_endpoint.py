"""Asking an OAuth token endpoint for a token of the service's own, whatever the client proves itself with.

Source: RFC 6749 §4.4, §5; SMART App Launch 2.x, "Backend Services".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from adapters.access.credentials import Credentials, Prover
from adapters.access.issuer import Grant, is_sendable, lifetime, required
from adapters.access.refusals import refusal, unreadable_secret
from adapters.wire import Answer, NoAnswer, Wire
from canonical import exact_json
from canonical.errors import ConfigurationError, EhrUnavailableError

#: Members of the form beside the standard ones that some servers want, with the address of their FHIR service.
EXTRA_MEMBERS = ("resource", "audience", "aud")
#: No answer of a token endpoint is longer (octets).
_MAX_BODY = 256 * 1024


class TokenEndpoint:
    """``client_credentials`` for one client. Thread-safe."""

    idle: float | None = None

    def __init__(
        self, auth: Mapping[str, str], prover: Prover, *, clock: Callable[[], datetime], ca_file: str | None = None
    ) -> None:
        """Prepare; nothing is asked for yet. Raises :class:`ConfigurationError` where ``auth`` lacks address or scope."""
        required(auth, "token_url", "scope")
        self._scope, self._prover, self._clock = auth["scope"], prover, clock
        self._extra = {name: auth[name] for name in EXTRA_MEMBERS if name in auth}
        self._wire = Wire(auth["token_url"], max_connections=1, max_body=_MAX_BODY, ca_file=ca_file)

    def ask(self, seconds: float) -> Grant:
        try:
            credentials = self._prover.credentials(self._clock())
        except ConfigurationError as error:
            raise unreadable_secret(error) from None
        answer = self._post(credentials, seconds)
        if isinstance(answer, NoAnswer):
            raise EhrUnavailableError("outage")
        body = _token_body(answer)
        if body is None:
            raise refusal(answer, self._clock())
        scope = body.get("scope")
        return Grant(
            value=body["access_token"],
            lifetime=lifetime(body.get("expires_in")),
            # By RFC 6749 §5.1 a server that grants what was asked for need not say so.
            scope=scope if isinstance(scope, str) else self._scope,
        )

    def close(self) -> None:
        self._wire.close()

    def _post(self, credentials: Credentials, seconds: float) -> Answer | NoAnswer:
        form = {"grant_type": "client_credentials", "scope": self._scope, **credentials.form, **self._extra}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            **credentials.headers,
        }
        return self._wire.request("POST", "", headers=headers, body=urlencode(form).encode(), seconds=seconds)


def _token_body(answer: Answer) -> dict[str, Any] | None:
    """Return the answer's members if it grants a bearer token: one of another kind must not be sent as one."""
    if answer.status != 200:
        return None
    try:
        body = exact_json.parse(answer.body)
    except exact_json.InvalidJsonError:
        return None
    if not isinstance(body, dict) or not is_sendable(body.get("access_token")):
        return None
    return body if str(body.get("token_type", "")).lower() == "bearer" else None
