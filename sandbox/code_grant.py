"""From a code to tokens: who asks, whether the code is theirs, and what the tokens say; not how a code is given."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox.authorization import Code, take_code
from sandbox.ehr import Ehr
from sandbox.keys import ALGORITHM
from sandbox.oauth import TokenRefused, basic_credentials
from sandbox.people import Person, WebClient, find_person, find_web_client

ID_TOKEN_LIFE_S = 300


@dataclass(frozen=True)
class CodeGrant:
    """Answers token requests with the grant `authorization_code`, and says whose an access token is."""

    ehr: Ehr
    key: RSAKey

    @property
    def userinfo(self) -> str:
        return f"{self.ehr.public_url}/oauth/userinfo"

    async def token(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """The token response (OpenID Connect Core 1.0 §3.1.3.3).

        Raises:
            TokenRefused: with the error to answer; the code is used up all the same.
        """
        client = self._client(form, authorization)
        given = form.get("code", "")
        code = await self.ehr.database.write(lambda connection: take_code(connection, given))
        if code is None or code.expires_at < self.ehr.clock() or code.request.client_id != client.client_id:
            raise TokenRefused("invalid_grant", "The code was used, has ended, or is another client's.")
        if form.get("redirect_uri") != code.request.redirect_uri:
            raise TokenRefused("invalid_grant", "The redirect_uri is not the one of the request.")
        if not hmac.compare_digest(_challenge(form.get("code_verifier", "")), code.request.code_challenge):
            raise TokenRefused("invalid_grant", "The code_verifier does not fit.")
        person = find_person(self.ehr.database.reader, code.sub)
        if person is None:
            raise TokenRefused("invalid_grant", "The person is not known any more.")
        return self._response(client, person, code)

    def _client(self, form: Mapping[str, str], authorization: str) -> WebClient:
        name, secret = basic_credentials(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        client = find_web_client(self.ehr.database.reader, name)
        expected = client.client_secret or "" if client else ""
        if client is None or not hmac.compare_digest(expected.encode(), secret.encode()):
            raise TokenRefused("invalid_client", "There is no web client with this secret.", status=401)
        return client

    def _response(self, client: WebClient, person: Person, code: Code) -> dict[str, Any]:
        now, life = int(self.ehr.clock()), self.ehr.behaviour.token_ttl_s
        issued: dict[str, Any] = {"iss": self.ehr.public_url, "iat": now}
        access = {
            **person.claims(),
            **issued,
            "aud": client.audience or self.userinfo,
            "exp": now + life,
            "jti": secrets.token_urlsafe(16),
            "scope": client.scopes,
            "client_id": client.client_id,
        }
        identity = {
            **person.claims(),
            **issued,
            "aud": client.client_id,
            "exp": now + ID_TOKEN_LIFE_S,
            "auth_time": int(code.authenticated_at),
            **({"nonce": code.request.nonce} if code.request.nonce else {}),
        }
        return {
            "access_token": self._signed("at+jwt", access),
            "token_type": "bearer",
            "expires_in": life,
            "scope": code.request.scope,
            "id_token": self._signed("JWT", identity),
        }

    def _signed(self, kind: str, claims: dict[str, Any]) -> str:
        return jwt.encode(
            {"alg": ALGORITHM, "kid": self.key.kid, "typ": kind}, claims, self.key, algorithms=[ALGORITHM]
        )

    def person_of(self, token: str) -> Person | None:
        """Who an access token of ours was given to; None for anything else."""
        rules = jwt.JWTClaimsRegistry(
            now=int(self.ehr.clock()), iss={"essential": True, "value": self.ehr.public_url}, exp={"essential": True}
        )
        try:
            decoded = jwt.decode(token, self.key, algorithms=[ALGORITHM])
            rules.validate(decoded.claims)
        except (JoseError, ValueError):
            return None
        # A client's own token names no person, and an ID token is no key.
        if decoded.header.get("typ") != "at+jwt":
            return None
        return find_person(self.ehr.database.reader, str(decoded.claims["sub"]))


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("utf-8")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
