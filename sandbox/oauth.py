"""The token endpoint: clients proven by a signed assertion, access tokens as JWT; not what tokens may do.

Sources: RFC 6749 §4.4, RFC 7523, RFC 8707, RFC 9068; SMART Backend Services (hl7.org/fhir/smart-app-launch).
"""

import base64
import hmac
import json
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox import clients
from sandbox.answers import Answer
from sandbox.call import Call
from sandbox.clients import Client
from sandbox.ehr import Ehr
from sandbox.keys import ALGORITHM
from sandbox.scopes import granted, in_v1_words

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: An assertion lives no longer than this (SMART); two clocks may differ by the leeway.
ASSERTION_LIFE_S = 300
LEEWAY_S = 5
#: What answers another grant: (form, Authorization header) → token response.
Grant = Callable[[Mapping[str, str], str], Awaitable[dict[str, Any]]]


class TokenRefused(Exception):
    """No token; `error` is RFC 6749's code."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True)
class TokenEndpoint:
    """Answers token requests of registered clients; `grants` are those beside `client_credentials`, by name."""

    ehr: Ehr
    key: RSAKey
    grants: Mapping[str, Grant] = field(default_factory=dict)

    async def answer(self, call: Call) -> Answer:
        """The answer to a posted form; errors are RFC 6749's, not FHIR's."""
        try:
            status, body = 200, await self.token(_form(call), call.headers.get("authorization", ""))
        except TokenRefused as refused:
            status, body = refused.status, {"error": refused.error, "error_description": refused.description}
        return Answer(
            status=status,
            body=json.dumps(body),
            content_type="application/json",
            headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
        )

    async def token(self, form: Mapping[str, str], authorization: str = "") -> dict[str, Any]:
        """The token response (RFC 6749 §5.1) to a form and the Authorization header beside it.

        Raises:
            TokenRefused: with the error to answer.
        """
        grant_type = form.get("grant_type", "")
        if grant_type in self.grants:
            return await self.grants[grant_type](form, authorization)
        if grant_type != "client_credentials":
            raise TokenRefused("unsupported_grant_type", "This grant is not possible here.")
        client, claims = self._client(form, authorization)
        if client.registered_at > self.ehr.clock() - self.ehr.behaviour.activation_s:
            raise TokenRefused("invalid_client", "The client is not known here.", status=401)
        if not client.mapped:
            status, error = self.ehr.behaviour.unmapped_client
            raise TokenRefused(error, "No user stands behind the client.", status=status)
        audience, scopes, extra = self._grant(client, form)
        if claims is not None:
            await self._use_once(client, claims)
        return self._response(client, audience, scopes, extra)

    def _client(self, form: Mapping[str, str], authorization: str) -> tuple[Client, dict[str, Any] | None]:
        kinds = self.ehr.behaviour.token_auth
        if "private_key_jwt" in kinds and form.get("client_assertion_type") == ASSERTION_TYPE:
            return self._authenticate(form.get("client_assertion", ""))
        given = basic_credentials(authorization) if "client_secret_basic" in kinds else None
        if given is None and "client_secret_post" in kinds and "client_secret" in form:
            given = form.get("client_id", ""), form["client_secret"]
        if given is None:
            raise TokenRefused("invalid_client", f"Prove who you are by {' or '.join(kinds)}.", status=401)
        client = clients.find(self.ehr.database.reader, given[0])
        secret = client.client_secret if client else None
        if client is None or secret is None or not hmac.compare_digest(secret.encode(), given[1].encode()):
            raise TokenRefused("invalid_client", "There is no client with this secret.", status=401)
        return client, None

    def _authenticate(self, assertion: str) -> tuple[Client, dict[str, Any]]:
        client = clients.find(self.ehr.database.reader, _claimed_issuer(assertion))
        if client is None:
            raise TokenRefused("invalid_client", "The assertion's issuer is not registered.", status=401)
        try:
            algorithms = list(self.ehr.behaviour.assertion_algorithms)
            claims = jwt.decode(assertion, client.key_set(), algorithms=algorithms).claims
            self._assertion_rules(client).validate(claims)
        except (JoseError, ValueError) as error:
            reason = getattr(error, "description", None) or type(error).__name__
            raise TokenRefused("invalid_client", f"The assertion does not hold: {reason}", status=401) from None
        if claims["exp"] > self.ehr.clock() + ASSERTION_LIFE_S + LEEWAY_S:
            raise TokenRefused("invalid_client", "The assertion's exp is more than five minutes ahead.", status=401)
        if len(str(claims["jti"])) > self.ehr.behaviour.longest_jti:
            raise TokenRefused("invalid_client", "The assertion's jti is too long.", status=401)
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
        return audience, self._scopes(form.get("scope", "").split(), list(registered)), extra

    def _scopes(self, asked: list[str], registered: list[str]) -> list[str]:
        behaviour = self.ehr.behaviour
        asked = registered if behaviour.granted_scopes == "registered" else asked or registered
        scopes = granted(asked, registered, behaviour.scope_contexts)
        if asked and not scopes:
            status, error = behaviour.scope_refused
            raise TokenRefused(error, "None of the scopes is registered for this client.", status=status)
        return in_v1_words(scopes) if behaviour.scope_words == "v1" else scopes

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


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Name and secret of an Authorization header; None where it is of another kind, or missing.

    Raises:
        TokenRefused: it cannot be read.
    """
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise TokenRefused("invalid_client", "The Authorization header cannot be read.", status=401) from None
    # RFC 6749 §2.3.1: both are form-encoded before they are put together.
    return unquote_plus(name), unquote_plus(secret)


def _claimed_issuer(assertion: str) -> str:
    # Read unverified, only to find whose keys to verify with.
    try:
        payload = jws.extract_compact(assertion.encode()).payload
        issuer = json.loads(payload)["iss"]
    except (JoseError, ValueError, KeyError, TypeError):
        raise TokenRefused("invalid_client", "The assertion is no JWT with an issuer.", status=401) from None
    return str(issuer)
