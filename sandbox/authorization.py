"""What a web client asks for when it sends somebody to log in, and the code it gets for it; not the pages.

Sources: RFC 6749 §4.1, RFC 7636 (S256 only), OpenID Connect Core 1.0 §3.1.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sandbox.people import WebClient, find_web_client

#: A code is fetched at once by the client's server.
CODE_LIFE_S = 60
#: Parameters that go from the request to the login page and back.
MEMBERS = (
    *("client_id", "redirect_uri", "response_type", "scope", "state", "nonce"),
    *("code_challenge", "code_challenge_method"),
)


class NotSentBack(Exception):
    """Nobody can be told by a redirect: the client, or the address to return to, is not registered."""


class AuthorizationRefused(Exception):
    """No code; the client is told by a redirect with `error` (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


class AuthorizationRequest(BaseModel):
    """A request that may be answered with a code."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    redirect_uri: str
    scope: str
    state: str = ""
    nonce: str = ""
    code_challenge: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Code(BaseModel):
    """What a code stands for; times are seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    request: AuthorizationRequest
    sub: str
    authenticated_at: float
    expires_at: float


def web_client_of(connection: sqlite3.Connection, asked: Mapping[str, str]) -> WebClient:
    """The client that sends somebody here and to which they may be sent back.

    Raises:
        NotSentBack: it is not registered, or the address is not.
    """
    client = find_web_client(connection, asked.get("client_id", ""))
    if client is None:
        raise NotSentBack("No such client is registered here.")
    if asked.get("redirect_uri") not in client.redirect_uris:
        raise NotSentBack("The client is not registered with this redirect_uri.")
    return client


def authorization_request(asked: Mapping[str, str]) -> AuthorizationRequest:
    """The request of a known client.

    Raises:
        AuthorizationRefused: with the error to send back.
    """
    if asked.get("response_type") != "code":
        raise AuthorizationRefused("unsupported_response_type", "Only response_type=code is possible here.")
    if "openid" not in asked.get("scope", "").split():
        raise AuthorizationRefused("invalid_scope", "The scope must name openid.")
    if asked.get("code_challenge_method") != "S256":
        raise AuthorizationRefused("invalid_request", "A code_challenge of method S256 is required.")
    try:
        return AuthorizationRequest.model_validate({name: asked[name] for name in MEMBERS if name in asked})
    except ValueError:
        raise AuthorizationRefused("invalid_request", "The code_challenge is no S256 digest.") from None


def give_code(connection: sqlite3.Connection, *, request: AuthorizationRequest, sub: str, now: float) -> str:
    """Return a new code for `request`, for the person `sub` who just said who they are."""
    code = secrets.token_urlsafe(32)
    content = Code(request=request, sub=sub, authenticated_at=now, expires_at=now + CODE_LIFE_S)
    connection.execute("DELETE FROM codes WHERE expires_at < ?", (now,))
    connection.execute(
        "INSERT INTO codes (digest, content, expires_at) VALUES (?, ?, ?)",
        (_digest(code), content.model_dump_json(), content.expires_at),
    )
    return code


def take_code(connection: sqlite3.Connection, code: str) -> Code | None:
    """What `code` stands for; whatever comes of it, it is used up."""
    row = connection.execute("DELETE FROM codes WHERE digest = ? RETURNING content", (_digest(code),)).fetchone()
    return Code.model_validate_json(row["content"]) if row else None


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
