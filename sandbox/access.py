"""Who sends a FHIR request, and whether the token allows it; not how tokens are got.

Source: RFC 6750, and the SMART Backend Services profile.
"""

from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox.answers import Refusal
from sandbox.call import BUNDLES, Call, Interaction
from sandbox.ehr import Ehr
from sandbox.keys import ALGORITHM
from sandbox.scopes import permits


@dataclass(frozen=True)
class Access:
    """Checks bearer tokens that this server issued for its own FHIR base."""

    ehr: Ehr
    key: RSAKey

    def client_of(self, call: Call) -> str | None:
        """The client a request comes from; None where nobody needs to say.

        Raises:
            Refusal: 401, no token or none that holds; 403, its scopes do not allow this.
        """
        if call.interaction is Interaction.CAPABILITIES:
            return None
        token = self._token(call)
        if self.ehr.behaviour.open:
            return self._name_at_most(token)
        claims = self._claims(token)
        # What a bundle holds is not known yet; see `check_entries`.
        if call.interaction not in BUNDLES:
            self._check_scopes(claims, call)
        return str(claims["client_id"])

    def client_of_native(self, call: Call, scope: str) -> str | None:
        """The client of a request to a vendor's own interface, whose token has a scope that begins with `scope`.

        Raises:
            Refusal: 401 or 403, as above.
        """
        token = self._token(call)
        if self.ehr.behaviour.open:
            return self._name_at_most(token)
        claims = self._claims(token)
        if not any(held.startswith(scope) for held in _scopes(claims)):
            raise Refusal(403, "forbidden", "The token's scopes do not allow this.")
        return str(claims["client_id"])

    def check_entries(self, call: Call) -> None:
        """Check that a token allows each request of its bundle.

        Raises:
            Refusal: 403, one of them is not allowed.
        """
        if not self.ehr.behaviour.open:
            claims = self._claims(self._token(call))
            for entry in call.checked_entries():
                self._check_scopes(claims, entry.call)

    def _check_scopes(self, claims: dict[str, Any], call: Call) -> None:
        if not permits(_scopes(claims), call.interaction, call.type, self.ehr.behaviour.scope_contexts):
            raise Refusal(
                403,
                "forbidden",
                f"The token's scopes do not allow {call.interaction} on {call.type}.",
                headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
            )

    def _name_at_most(self, token: str | None) -> str | None:
        # An open server asks for nothing; a token that holds still says who is speaking.
        try:
            return str(self._claims(token)["client_id"])
        except Refusal:
            return None

    def _token(self, call: Call) -> str | None:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None

    def _claims(self, token: str | None) -> dict[str, Any]:
        if token is None:
            raise Refusal(401, "login", "A bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})
        registry = jwt.JWTClaimsRegistry(
            now=int(self.ehr.clock()),
            iss={"essential": True, "value": self.ehr.public_url},
            aud={"essential": True, "value": self.ehr.base},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, self.key, algorithms=[ALGORITHM]).claims
            registry.validate(claims)
        except (JoseError, ValueError):
            raise Refusal(
                401,
                "login",
                "The token is not one of ours for this server, or it has expired; get a new one.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            ) from None
        return claims


def _scopes(claims: dict[str, Any]) -> list[str]:
    return str(claims.get("scope", "")).split()
