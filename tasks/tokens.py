"""Verifying bearer tokens (JWT) of one issuer by its published keys; the same at both doors. No way around it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from canonical.errors import ConfigurationError, WritebackError
from canonical.principal import TENANT_NAME, Principal

if TYPE_CHECKING:
    from config.settings import Settings

log = structlog.get_logger()

#: Asymmetric only: with a shared secret the issuer's public keys would sign.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
#: How far the issuer's clock and ours may differ.
LEEWAY_S = 5
#: Keys are fetched anew after this, so that a withdrawn key stops counting.
KEYS_LIFE = timedelta(minutes=10)
#: The issuer is asked no more often than this, whether tokens name keys that nobody knows or it does not answer.
REFETCH_AFTER = timedelta(seconds=2)
_FETCH_TIMEOUT = httpx.Timeout(3)


class InvalidTokenError(WritebackError):
    """The token cannot be accepted; the message says why and holds nothing of it."""


class IssuerUnavailableError(WritebackError):
    """The issuer's keys cannot be fetched, so no token can be judged. Nothing was accepted; ask again later."""


class IssuerKeys:
    """The issuer's public keys by URL (JWKS), kept for :data:`KEYS_LIFE`. Thread-safe."""

    def __init__(self, url: str, *, clock: Callable[[], datetime]) -> None:
        """Nothing is fetched yet."""
        self._url, self._clock = url, clock
        self._keys: KeySet | None = None
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._lock = Lock()

    def for_key_id(self, kid: str | None) -> KeySet:
        """Return the keys, fetched again if they are old or do not have ``kid``.

        Raises :class:`IssuerUnavailableError` when there are none.
        """
        with self._lock:
            if (self._is_old() or not self._has(kid)) and self._may_fetch():
                self._fetch()
            if self._keys is None:
                raise IssuerUnavailableError
            return self._keys

    def _has(self, kid: str | None) -> bool:
        return self._keys is not None and (kid is None or any(key.kid == kid for key in self._keys.keys))

    def _is_old(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at > KEYS_LIFE

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= REFETCH_AFTER

    def _fetch(self) -> None:
        """Fetch the keys; while that fails, those we have stay good."""
        self._tried_at = self._clock()
        try:
            answer = httpx.get(self._url, timeout=_FETCH_TIMEOUT, follow_redirects=False)
            answer.raise_for_status()
            self._keys = KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("issuer keys not fetched", action="auth.keys_unavailable", error=type(error).__name__)
            return
        self._fetched_at = self._tried_at


class TokenVerifier:
    """Turns a token into a :class:`Principal`; claim names are settings. Thread-safe."""

    def __init__(
        self,
        *,
        keys: IssuerKeys,
        issuer: str,
        audience: str,
        tenant_claim: str,
        app_claim: str,
        user_claim: str,
        scope_claim: str,
        clock: Callable[[], datetime],
    ) -> None:
        """Take what an acceptable token says: ``issuer`` and ``audience`` exactly."""
        self._keys, self._issuer, self._audience, self._clock = keys, issuer, audience, clock
        self._tenant, self._app, self._user, self._scope = tenant_claim, app_claim, user_claim, scope_claim

    @property
    def issuer(self) -> str:
        """The only issuer whose tokens are accepted."""
        return self._issuer

    def principal(self, token: str) -> Principal:
        """Return who ``token`` (compact JWS) speaks for now: no sender says when its own token is to be judged.

        Raises :class:`InvalidTokenError`, :class:`IssuerUnavailableError`.
        """
        claims = self._verified(token)
        rules = jwt.JWTClaimsRegistry(
            now=int(self._clock().timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
        )
        try:
            rules.validate(claims)
        except JoseError as error:
            raise InvalidTokenError(f"The token is refused: {error.error}.") from None
        return self._from(claims)

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            keys = self._keys.for_key_id(kid if isinstance(kid, str) else None)
            if kid is None and len(keys.keys) > 1:
                raise InvalidTokenError("The token names no key (kid), and the issuer has several.")
            return jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError):
            raise InvalidTokenError("The token is not one that the issuer signed.") from None

    def _from(self, claims: dict[str, Any]) -> Principal:
        tenant, app = claims.get(self._tenant), claims.get(self._app)
        if not (isinstance(tenant, str) and TENANT_NAME.fullmatch(tenant) and isinstance(app, str) and _is_name(app)):
            raise InvalidTokenError(f"The token must name a tenant and an app ({self._tenant}, {self._app}).")
        scopes, roles = claims.get(self._scope, ""), claims.get("roles", [])
        granted = scopes.split() if isinstance(scopes, str) else scopes
        if not isinstance(granted, list):
            raise InvalidTokenError(f"The token's {self._scope} must be a text or a list.")
        # A backend app is its own subject: no person is logged in.
        subject = claims.get("sub") if claims.get("sub") != app else None
        user, name = claims.get(self._user) or subject, claims.get("name")
        return Principal(
            tenant=tenant,
            app=app,
            user=user if isinstance(user, str) else None,
            issuer=self._issuer,
            scopes=frozenset(scope for scope in granted if isinstance(scope, str)),
            roles=frozenset(role for role in roles if isinstance(role, str))
            if isinstance(roles, list)
            else frozenset(),
            subject=subject if isinstance(subject, str) else None,
            name=name if isinstance(name, str) and _is_name(name) else None,
        )


def _is_name(text: str) -> bool:
    """Whether ``text`` can be an app's or a person's name: short, printable, not only white space."""
    return 0 < len(text.strip()) <= len(text) <= 256 and text.isprintable()


def token_verifier(settings: "Settings", *, clock: Callable[[], datetime]) -> TokenVerifier:
    """Return what verifies the tokens of the issuer that ``settings`` name; nothing is fetched yet.

    Raises ``ConfigurationError`` when they name none: without an issuer nobody could be let in.
    """
    if not settings.issuer:
        raise ConfigurationError("WRITEBACK_ISSUER and WRITEBACK_JWKS_URL are empty: no token could be accepted.")
    return TokenVerifier(
        keys=IssuerKeys(settings.jwks_url, clock=clock),
        issuer=settings.issuer,
        audience=settings.audience,
        tenant_claim=settings.tenant_claim,
        app_claim=settings.app_claim,
        user_claim=settings.user_claim,
        scope_claim=settings.scope_claim,
        clock=clock,
    )
