"""Access tokens for an EHR by SMART Backend Services: asked for, kept while they live, dropped when refused. Not scopes' meaning.

Source: SMART App Launch 2.x, "Backend Services" and "Asymmetric Client Authentication"; RFC 6749 §4.4, RFC 7523.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from adapters.retry_after import retry_after
from adapters.wire import Answer, NoAnswer, Wire
from canonical import exact_json
from canonical.boot_clock import boot_seconds
from canonical.errors import ConfigurationError, EhrUnavailableError

ALGORITHMS = ("RS384", "ES384")
#: SMART allows an assertion at most five minutes.
ASSERTION_LIFETIME = timedelta(minutes=4)
#: SMART's longest recommended lifetime, for servers that do not state one.
LIFETIME_DEFAULT = 300
#: A token is not used in its last seconds, nor in the last tenth of a short life.
MARGIN = 30
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Tokens(Protocol):
    """Where the wire gets its bearer token; thread-safe."""

    @property
    def granted(self) -> str | None:
        """The scope last granted, space-separated, as the server spells it; ``None`` where none was stated."""
        ...

    def bearer(self, seconds: float) -> str | None:
        """Return a token (``None``: none is needed) within ``seconds``.

        Raises :class:`EhrUnavailableError` with reason ``auth``, ``throttled`` or ``outage``: nothing was sent.
        """
        ...

    def refused(self, token: str) -> None:
        """Drop ``token``, which the EHR answered with 401, unless it was replaced meanwhile."""
        ...

    def close(self) -> None: ...


class NoTokens:
    """For an EHR that asks for none: tests and closed networks."""

    granted: str | None = None

    def bearer(self, seconds: float) -> str | None:
        return None

    def refused(self, token: str) -> None:
        """There is nothing to drop."""

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(frozen=True, kw_only=True)
class _Token:
    value: str
    #: Boot seconds after which it is not used.
    fresh_until: float


@dataclass(frozen=True, kw_only=True)
class ClientKey:
    """The client as registered at the EHR: its id, private key, algorithm, and the scope to ask for."""

    client_id: str
    key: jwk.RSAKey | jwk.ECKey
    alg: str
    kid: str
    scope: str

    def assertion(self, token_url: str, now: datetime) -> str:
        """Return a signed assertion for ``token_url``, never the same twice."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": token_url,
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_LIFETIME).timestamp()),
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": self.alg, "kid": self.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self.key, algorithms=list(ALGORITHMS))


class BackendServices:
    """Tokens by ``private_key_jwt``: one request at a time in a process, kept by ``expires_in`` less a margin."""

    def __init__(
        self,
        *,
        token_url: str,
        client: ClientKey,
        clock: Callable[[], datetime],
        extra: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        """Prepare; nothing is asked for yet. ``extra``: form members the server wants besides, such as ``resource``."""
        self._token_url, self._client, self._clock = token_url, client, clock
        self._extra = dict(extra or {})
        self._wire = Wire(token_url, max_connections=1, ca_file=ca_file)
        self._asking = threading.Lock()
        self._token: _Token | None = None
        self._failure: tuple[float, EhrUnavailableError] | None = None
        self.granted: str | None = None

    def bearer(self, seconds: float) -> str | None:
        token = self._fresh()
        if token is not None:
            return token
        began = boot_seconds()
        if not self._asking.acquire(timeout=seconds):
            raise EhrUnavailableError("outage")
        try:
            return self._fresh() or self._ask(began, seconds)
        finally:
            self._asking.release()

    def refused(self, token: str) -> None:
        held = self._token
        if held is not None and held.value == token:
            self._token = None

    def close(self) -> None:
        self._wire.close()

    def _fresh(self) -> str | None:
        held = self._token
        return held.value if held is not None and boot_seconds() < held.fresh_until else None

    def _ask(self, began: float, seconds: float) -> str:
        """Ask for a token, unless somebody failed at it while this thread waited for the lock: the answer would be the same."""
        if self._failure is not None and self._failure[0] >= began:
            raise EhrUnavailableError(self._failure[1].reason, self._failure[1].retry_after)
        try:
            left = seconds - (boot_seconds() - began)
            return self._accept(self._request(max(left, 0.0)))
        except EhrUnavailableError as error:
            self._failure = (boot_seconds(), error)
            raise

    def _request(self, seconds: float) -> Mapping[str, Any]:
        form = {
            "grant_type": "client_credentials",
            "scope": self._client.scope,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._client.assertion(self._token_url, self._clock()),
            **self._extra,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = self._wire.request("POST", "", headers=headers, body=urlencode(form).encode(), seconds=seconds)
        if isinstance(answer, NoAnswer):
            raise EhrUnavailableError("outage")
        return self._read(answer)

    def _read(self, answer: Answer) -> Mapping[str, Any]:
        if answer.status == 429:
            raise EhrUnavailableError("throttled", retry_after(answer, self._clock()))
        if answer.status >= 500 or 300 <= answer.status < 400:
            raise EhrUnavailableError("outage", retry_after(answer, self._clock()))
        if answer.status != 200:
            raise EhrUnavailableError("auth")
        try:
            body = exact_json.parse(answer.body)
        except exact_json.InvalidJsonError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("access_token"), str):
            raise EhrUnavailableError("auth")
        if str(body.get("token_type", "")).lower() != "bearer":
            raise EhrUnavailableError("auth")
        return body

    def _accept(self, body: Mapping[str, Any]) -> str:
        lifetime = _seconds(body.get("expires_in"))
        value = str(body["access_token"])
        fresh_until = boot_seconds() + lifetime - max(min(MARGIN, lifetime / 2), lifetime / 10)
        scope = body.get("scope")
        # By RFC 6749 §5.1 a server that grants what was asked for need not say so.
        self.granted = scope if isinstance(scope, str) else self._client.scope
        self._token = _Token(value=value, fresh_until=fresh_until)
        return value


def _seconds(value: object) -> float:
    """Return a token's lifetime; some servers write the number as text."""
    text = str(value)
    return float(text) if text.isdecimal() else LIFETIME_DEFAULT


def open_tokens(auth: Mapping[str, str], *, clock: Callable[[], datetime], ca_file: str | None = None) -> Tokens:
    """Return the source of tokens that a connection's ``auth`` describes; its key file is read now.

    Raises :class:`ConfigurationError` naming the setting to correct.
    """
    kind = auth.get("kind")
    if kind == "none":
        return NoTokens()
    if kind != "private_key_jwt":
        msg = "auth.kind must be 'private_key_jwt' (or 'none' for an EHR without authentication)"
        raise ConfigurationError(msg)
    missing = [name for name in ("token_url", "client_id", "key_file", "scope") if not auth.get(name)]
    if missing:
        msg = f"auth lacks {', '.join(missing)}"
        raise ConfigurationError(msg)
    extra = {name: auth[name] for name in ("resource", "audience") if name in auth}
    return BackendServices(token_url=auth["token_url"], client=_client(auth), clock=clock, extra=extra, ca_file=ca_file)


def _client(auth: Mapping[str, str]) -> ClientKey:
    alg = auth.get("alg", ALGORITHMS[0])
    if alg not in ALGORITHMS:
        msg = f"auth.alg must be one of {', '.join(ALGORITHMS)}"
        raise ConfigurationError(msg)
    kind = jwk.RSAKey if alg.startswith("RS") else jwk.ECKey
    try:
        text = Path(auth["key_file"]).read_text(encoding="ascii")
        key = kind.import_key(exact_json.parse(text) if text.lstrip().startswith("{") else text)
    except (OSError, ValueError, JoseError) as error:
        msg = f"auth.key_file must be a readable private key for {alg} (PEM or JWK)"
        raise ConfigurationError(msg) from error
    if not key.is_private:
        msg = "auth.key_file holds a public key; the private one is needed to sign"
        raise ConfigurationError(msg)
    kid = auth.get("kid") or key.kid or key.thumbprint()
    return ClientKey(client_id=auth["client_id"], key=key, alg=alg, kid=kid, scope=auth["scope"])
