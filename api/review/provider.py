"""The OpenID provider as the login needs it: where to send a browser, and who came back. Through Authlib; no cookies, no pages.

Authlib makes state, nonce and the PKCE verifier, redeems the code and checks the ID token. What it would believe of the
provider's own metadata is held against the settings here: issuer and algorithms.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

import httpx2
from authlib.integrations.starlette_client import OAuth, OAuthError, StarletteOAuth2App
from authlib.oidc.core import CodeIDToken
from authlib.oidc.core.util import create_half_hash
from joserfc.errors import JoseError
from starlette.requests import Request

from canonical.errors import WritebackError
from tasks.tokens import ALGORITHMS, LEEWAY_S

#: Metadata and keys are fetched anew after this, so that a withdrawn key stops counting.
METADATA_LIFE = timedelta(minutes=10)
_SCOPE = "openid profile fhirUser"
_TIMEOUT = httpx2.Timeout(5)
#: What comes of an answer that is no JSON, or lacks what it must have.
_NONSENSE = (ValueError, KeyError, TypeError, RuntimeError)


class ProviderUnavailableError(WritebackError):
    """The provider does not answer, or not as one: nobody can log in now."""


class LoginRefusedError(WritebackError):
    """Nobody was logged in; the message says why and holds nothing of what came."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A login that began: ``address`` is where the browser goes, ``state`` what must be there when it comes back."""

    address: str
    state: dict[str, Any] = field(repr=False)


class _TimedIdToken(CodeIDToken):  # type: ignore[misc]  # Authlib brings no types
    """An ID token judged at a time that is passed in."""

    clock: Callable[[], datetime]

    def validate(self, now: int | None = None, leeway: int = 0) -> None:
        super().validate(int(self.clock().timestamp()) if now is None else now, leeway)


class Provider:
    """One provider, and our pages as its client."""

    def __init__(
        self, *, issuer: str, client_id: str, client_secret: str | None, clock: Callable[[], datetime]
    ) -> None:
        """Nothing is fetched yet; ``issuer`` is the URL that ID tokens must name."""
        self.issuer, self.client_id, self._secret, self._clock = issuer, client_id, client_secret, clock
        self._id_token = type("IdToken", (_TimedIdToken,), {"clock": staticmethod(clock)})
        self._made: StarletteOAuth2App | None = None
        self._made_at: datetime | None = None

    async def begin(self, redirect_uri: str) -> Beginning:
        """Return where to send a browser that shall come back to ``redirect_uri``.

        Raises :class:`ProviderUnavailableError`.
        """
        client = await self._client()
        request = _request_with({})
        try:
            answer = await client.authorize_redirect(request, redirect_uri)
        except (httpx2.HTTPError, *_NONSENSE) as error:
            raise ProviderUnavailableError from error
        return Beginning(address=answer.headers["location"], state=dict(request.session))

    async def finish(self, query: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claims of the ID token for which the browser brought a code.

        Args:
            query: that of the address by which it came back.
            state: what :meth:`begin` gave it to keep.

        Raises :class:`LoginRefusedError` and :class:`ProviderUnavailableError`.
        """
        client = await self._client()
        request = _request_with(dict(state), query)
        if request.query_params.get("iss", self.issuer) != self.issuer:
            raise LoginRefusedError("The answer is not the provider's.")
        rules = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
            "exp": {"essential": True},
        }
        try:
            token = await client.authorize_access_token(
                request, claims_options=rules, claims_cls=self._id_token, leeway=LEEWAY_S
            )
        except OAuthError as error:
            raise LoginRefusedError(_sentence(error)) from None
        except JoseError:
            raise LoginRefusedError("The provider's token does not hold for this login.") from None
        except (httpx2.HTTPError, *_NONSENSE) as error:
            raise ProviderUnavailableError from error
        if "userinfo" not in token:
            raise LoginRefusedError("The provider did not say who it was.")
        if not _came_together(token):
            raise LoginRefusedError("The provider's token does not hold for this login.")
        return dict(token["userinfo"])

    async def end_session_address(self, back_to: str) -> str | None:
        """Return where a browser ends its login at the provider too, or ``None`` where there is no such place now."""
        try:
            client = await self._client()
            made: dict[str, Any] = await client.create_logout_url(
                post_logout_redirect_uri=back_to, client_id=self.client_id
            )
        except (ProviderUnavailableError, *_NONSENSE):
            return None
        return str(made["url"])

    async def _client(self) -> StarletteOAuth2App:
        now = self._clock()
        if self._made is None or self._made_at is None or now - self._made_at > METADATA_LIFE:
            self._made, self._made_at = await self._discovered(), now
        return self._made

    async def _discovered(self) -> StarletteOAuth2App:
        client = OAuth().register(
            name="review",
            client_id=self.client_id,
            client_secret=self._secret,
            server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": _SCOPE, "code_challenge_method": "S256", "timeout": _TIMEOUT},
        )
        try:
            told = await client.load_server_metadata()
            stated = told.get("id_token_signing_alg_values_supported") or ["RS256"]
            usable = [name for name in stated if name in ALGORITHMS]
            is_provider = told["issuer"] == self.issuer and usable
        except (httpx2.HTTPError, *_NONSENSE) as error:
            raise ProviderUnavailableError from error
        if not is_provider:
            raise ProviderUnavailableError
        told["id_token_signing_alg_values_supported"] = usable
        return client


def _request_with(session: dict[str, Any], query: str = "") -> Request:
    """Return a request as Authlib reads one: its session and its query, and nothing else of the browser's."""
    return Request(
        {"type": "http", "method": "GET", "headers": [], "query_string": query.encode("ascii"), "session": session}
    )


def _sentence(error: OAuthError) -> str:
    if error.error == "access_denied":
        return "The provider did not let you in."
    if error.error == "mismatching_state":
        return "The login took too long, or was begun in another window."
    return "The provider did not confirm the login; each one can be used once."


def _came_together(token: Mapping[str, Any]) -> bool:
    """Whether an ID token that says for which access token it was made (``at_hash``) came with that one.

    Authlib asks this only where it chooses the class of claims itself. The header is that of a token whose signature holds.
    """
    said, access_token = token["userinfo"].get("at_hash"), token.get("access_token")
    if said is None:
        return True
    head = token["id_token"].partition(".")[0]
    algorithm = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"]
    made = create_half_hash(access_token, algorithm) if isinstance(access_token, str) else None
    return isinstance(said, str) and made is not None and compare_digest(made, said.encode())
