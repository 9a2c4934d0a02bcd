"""The token endpoint: clients proven by a signed assertion, access tokens as JWT; not what tokens may do.

Sources: RFC 6749 §4.4, RFC 7523, RFC 8707, RFC 9068; SMART Backend Services (hl7.org/fhir/smart-app-launch).
"""

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox import clients
from sandbox.answers import Answer
from sandbox.call import Call
from sandbox.capability import ASSERTION_ALGORITHMS
from sandbox.clients import Client
from sandbox.ehr import Ehr
from sandbox.keys import ALGORITHM
from sandbox.scopes import granted

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: An assertion lives no longer than this (SMART); two clocks may differ by the leeway.
ASSERTION_LIFE_S = 300
LEEWAY_S = 5


class TokenRefused(Exception):
    """No token; `error` is RFC 6749's code."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True)
class TokenEndpoint:
    """Answers token requests of registered clients."""

    ehr: Ehr
    key: RSAKey

    async def answer(self, call: Call) -> Answer:
        """The answer to a posted form; errors are RFC 6749's, not FHIR's."""
        try:
            status, body = 200, await self.token(_form(call))
        except TokenRefused as refused:
            status, body = refused.status, {"error": refused.error, "error_description": refused.description}
        return Answer(
            status=status,
            body=json.dumps(body),
            content_type="application/json",
            headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
        )

    async def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token response (RFC 6749 §5.1) to a form.

        Raises:
            TokenRefused: with the error to answer.
        """
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused("unsupported_grant_type", "Only client_credentials is possible here.")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenRefused("invalid_client", "A client_assertion (private_key_jwt) is needed.", status=401)
        client, claims = self._authenticate(form["client_assertion"])
        audience, scopes, extra = self._grant(client, form)
        await self._use_once(client, claims)
        return self._response(client, audience, scopes, extra)

    def _authenticate(self, assertion: str) -> tuple[Client, dict[str, Any]]:
        client = clients.find(self.ehr.database.reader, _claimed_issuer(assertion))
        if client is None:
            raise TokenRefused("invalid_client", "The assertion's issuer is not registered.", status=401)
        try:
            claims = jwt.decode(assertion, client.key_set(), algorithms=ASSERTION_ALGORITHMS).claims
            self._assertion_rules(client).validate(claims)
        except (JoseError, ValueError) as error:
            reason = getattr(error, "description", None) or type(error).__name__
            raise TokenRefused("invalid_client", f"The assertion does not hold: {reason}", status=401) from None
        if claims["exp"] > self.ehr.clock() + ASSERTION_LIFE_S + LEEWAY_S:
            raise TokenRefused("invalid_client", "The assertion's exp is more than five minutes ahead.", status=401)
        return client, claims

    def _assertion_rules(self, client: Client) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self.ehr.clock()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": client.client_id},
            sub={"essential": True, "value": client.client_id},
            aud={"essential": True, "value": self.ehr.token_endpoint},
            exp={"essential": True},
            jti={"essential": True},
        )

    def _grant(self, client: Client, form: Mapping[str, str]) -> tuple[str, list[str], dict[str, Any]]:
        audience = form.get("resource") or form.get("audience") or self.ehr.base
        if audience == self.ehr.base:
            registered, extra = client.scopes, client.claims
        elif audience in client.audiences:
            registered = client.audiences[audience].scopes
            extra = {**client.claims, **client.audiences[audience].claims}
        else:
            raise TokenRefused("invalid_target", "The client is not registered for this resource.")
        asked = form.get("scope", "").split() or list(registered)
        scopes = granted(asked, list(registered))
        if asked and not scopes:
            raise TokenRefused("invalid_scope", "None of the scopes is registered for this client.")
        return audience, scopes, extra

    async def _use_once(self, client: Client, claims: dict[str, Any]) -> None:
        now = self.ehr.clock()

        def remember(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM assertions WHERE expires_at < ?", (now - LEEWAY_S,))
            cursor = connection.execute(
                "INSERT INTO assertions (client_id, jti, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (client.client_id, claims["jti"], claims["exp"]),
            )
            return cursor.rowcount == 1

        if not await self.ehr.database.write(remember):
            raise TokenRefused("invalid_client", "This assertion was used before (jti).", status=401)

    def _response(self, client: Client, audience: str, scopes: list[str], extra: dict[str, Any]) -> dict[str, Any]:
        now, life = int(self.ehr.clock()), self.ehr.behaviour.token_ttl_s
        claims = {
            **extra,
            "iss": self.ehr.public_url,
            "sub": client.client_id,
            "aud": audience,
            "exp": now + life,
            "iat": now,
            "jti": secrets.token_urlsafe(16),
            "scope": " ".join(scopes),
            "client_id": client.client_id,
        }
        header = {"alg": ALGORITHM, "kid": self.key.kid, "typ": "at+jwt"}
        token = jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])
        return {"access_token": token, "token_type": "bearer", "expires_in": life, "scope": " ".join(scopes)}


def _form(call: Call) -> dict[str, str]:
    content_type = call.headers.get("content-type", "").partition(";")[0].strip()
    if content_type != "application/x-www-form-urlencoded":
        raise TokenRefused("invalid_request", "Send application/x-www-form-urlencoded.")
    pairs = parse_qsl(call.body.decode("utf-8", errors="replace"))
    form = dict(pairs)
    if len(form) != len(pairs):
        raise TokenRefused("invalid_request", "A parameter is given twice.")
    return form


def _claimed_issuer(assertion: str) -> str:
    # Read unverified, only to find whose keys to verify with.
    try:
        payload = jws.extract_compact(assertion.encode()).payload
        issuer = json.loads(payload)["iss"]
    except (JoseError, ValueError, KeyError, TypeError):
        raise TokenRefused("invalid_client", "The assertion is no JWT with an issuer.", status=401) from None
    return str(issuer)
