"""A client that proves itself with a signed assertion: SMART Backend Services. It sends nothing.

Source: SMART App Launch 2.x, "Asymmetric Client Authentication"; RFC 7523 §2.2, §3.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from adapters.access.credentials import Credentials
from adapters.access.issuer import required
from canonical import exact_json
from canonical.errors import ConfigurationError

#: A client must be able to use both; a server need take one only.
ALGORITHMS = ("RS384", "ES384")
#: SMART allows an assertion at most five minutes.
ASSERTION_LIFETIME = timedelta(minutes=4)
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, kw_only=True)
class PrivateKeyJwt:
    """The client as registered at the EHR: its id, private key and algorithm, and whom its assertions are meant for."""

    client_id: str
    key: jwk.RSAKey | jwk.ECKey
    alg: str
    kid: str
    audience: str

    def credentials(self, now: datetime) -> Credentials:
        return Credentials(
            form={"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self.assertion(now)},
        )

    def assertion(self, now: datetime) -> str:
        """Return a signed assertion, never the same twice; its ``jti`` has 36 characters (some servers take 151 at most)."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_LIFETIME).timestamp()),
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": self.alg, "kid": self.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self.key, algorithms=list(ALGORITHMS))


def private_key_jwt(auth: Mapping[str, str]) -> PrivateKeyJwt:
    """Return the client that ``auth`` describes; its key is read now. Raises :class:`ConfigurationError`."""
    required(auth, "token_url", "client_id", "key_file")
    alg = auth.get("alg", ALGORITHMS[0])
    if alg not in ALGORITHMS:
        raise ConfigurationError(f"auth.alg must be one of {', '.join(ALGORITHMS)}")
    key = _private_key(Path(auth["key_file"]), alg)
    return PrivateKeyJwt(
        client_id=auth["client_id"],
        key=key,
        alg=alg,
        kid=auth.get("kid") or key.kid or key.thumbprint(),
        audience=auth.get("assertion_audience", auth["token_url"]),
    )


def _private_key(file: Path, alg: str) -> jwk.RSAKey | jwk.ECKey:
    kind = jwk.RSAKey if alg.startswith("RS") else jwk.ECKey
    try:
        text = file.read_text(encoding="ascii")
        key = kind.import_key(exact_json.parse(text) if text.lstrip().startswith("{") else text)
    except (OSError, ValueError, JoseError):
        raise ConfigurationError(f"auth.key_file must be a readable private key for {alg} (PEM or JWK)") from None
    if not key.is_private:
        raise ConfigurationError("auth.key_file holds a public key; the private one is needed to sign")
    return key
