"""The service's HTTP doors as an upstream app or a person uses them: a client with its token; not a library for apps.

Source of the token request: RFC 6749 §4.4 and RFC 7523 (private_key_jwt).
"""

import threading
import time
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from canonical import exact_json
from cli.errors import CannotDo

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Seconds an assertion lives; a token is asked for anew this long before it ends.
ASSERTION_LIFE = 60
EARLY = 20
#: Seconds for one answer: `Prefer: wait` may take 30 of them.
PATIENCE = 40.0


class Profile(BaseModel):
    """Where the service is and as whom to speak to it; `writeback up --sandbox` writes one to use.

    Args:
        api_url: address of the API, without `/v1`.
        token_url: token endpoint of the issuer that the service trusts.
        audience: what the token is for.
        client_id: the app as registered at the issuer.
        key_file: the app's private JWK.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: Annotated[str, Field(pattern=r"^https?://")]
    token_url: Annotated[str, Field(pattern=r"^https?://")]
    audience: str
    client_id: str
    key_file: Path

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the profile in a JSON file.

        Raises:
            CannotDo: it is not there or is no profile.
        """
        try:
            profile = cls.model_validate_json(file.read_bytes())
        except OSError:
            raise CannotDo(
                f"{file} cannot be read. It says where the service is and as whom to speak to it: name yours with "
                "--profile, or start a service of your own with 'writeback up --sandbox'."
            ) from None
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors(include_input=False))
            raise CannotDo(f"{file} is no profile of a service; look at: {fields}.") from None
        return profile.model_copy(update={"key_file": file.parent / profile.key_file})

    def write(self, file: Path) -> None:
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_private_key(file: Path) -> RSAKey | ECKey:
    """Return the private JWK in a file.

    Raises:
        CannotDo: it is not there or is no private key.
    """
    try:
        key = next(iter(KeySet.import_key_set({"keys": [exact_json.parse(file.read_bytes())]})))
    except (OSError, ValueError, KeyError, TypeError, JoseError):
        raise CannotDo(f"{file} must be a readable private key (JWK) of the app; nothing was sent.") from None
    if not isinstance(key, RSAKey | ECKey) or not key.is_private:
        raise CannotDo(f"{file} must be a private RSA or EC key (JWK) of the app; nothing was sent.")
    return key


@dataclass
class ClientCredentials(httpx.Auth):
    """Puts a fresh bearer token on each request; asks for one at a time, whatever the number of threads."""

    profile: Profile
    scope: str = ""
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _token: tuple[str, float] | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token()}"
        yield request

    def token(self) -> str:
        """Return a token that still lives for a while.

        Raises:
            CannotDo: the issuer does not answer or refuses the app.
        """
        with self._asking:
            if self._token is None or self._token[1] <= time.monotonic():
                self._token = self._ask()
            return self._token[0]

    def _ask(self) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._assertion(),
            "audience": self.profile.audience,
        } | ({"scope": self.scope} if self.scope else {})
        try:
            answer = httpx.post(self.profile.token_url, data=form, timeout=PATIENCE)
        except httpx.TransportError:
            raise CannotDo(f"The issuer at {self.profile.token_url} does not answer; nothing was sent.") from None
        if not answer.is_success:
            raise CannotDo(
                f"The issuer at {self.profile.token_url} gives no token to '{self.profile.client_id}' "
                f"(status {answer.status_code}); nothing was sent. Check the app's registration and key."
            )
        body = answer.json()
        return body["access_token"], time.monotonic() + max(0, body.get("expires_in", 0) - EARLY)

    def _assertion(self) -> str:
        key, now = read_private_key(self.profile.key_file), int(time.time())
        algorithm = "RS384" if isinstance(key, RSAKey) else "ES384"
        claims = {
            "iss": self.profile.client_id,
            "sub": self.profile.client_id,
            "aud": self.profile.token_url,
            "iat": now,
            "exp": now + ASSERTION_LIFE,
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": algorithm, "kid": key.kid or key.thumbprint(), "typ": "JWT"}
        return jwt.encode(header, claims, key, algorithms=[algorithm])


class PersonToken(httpx.Auth):
    """Puts the token of a person who is logged in on each request; it comes from a file, never from the command line."""

    def __init__(self, file: Path) -> None:
        """Read the token.

        Raises:
            CannotDo: the file is not there or holds no token.
        """
        try:
            token = file.read_bytes().decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token or len(token.split()) > 1:
            raise CannotDo(f"{file} must hold one access token and no more; nothing was sent.")
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class ServiceClient:
    """One app's, or one person's, way to the service; thread-safe."""

    def __init__(self, profile: Profile, *, person: PersonToken | None = None) -> None:
        """Speak as the app of ``profile``, or as ``person``."""
        self.profile = profile
        self.credentials = ClientCredentials(profile)
        self._http = httpx.Client(
            base_url=profile.api_url,
            auth=person or self.credentials,
            timeout=PATIENCE,
            limits=httpx.Limits(max_connections=32, keepalive_expiry=2),
        )

    def submit(self, envelope: bytes, *, key: str | None = None, wait: int | None = None) -> httpx.Response:
        """POST one command (JSON in UTF-8); `wait` seconds for it to be in the chart.

        Raises:
            CannotDo: the service does not answer; send it again with the same key, which is safe.
        """
        headers = {"Content-Type": "application/json"}
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        headers |= {"Prefer": f"wait={wait}"} if wait else {}
        return self.request("POST", "/v1/commands", content=envelope, headers=headers)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Make one request.

        Raises:
            CannotDo: the service does not answer.
        """
        try:
            return self._http.request(method, path, **arguments)
        except httpx.TransportError:
            raise CannotDo(
                f"The service at {self.profile.api_url} does not answer. What it gave a receipt for is kept; whatever "
                "was on its way may be sent again with the same key. Is it running ('writeback up')?"
            ) from None

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
