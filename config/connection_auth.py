"""How a connection may prove itself, as its file says it: one model for each kind. Secrets are named here, never held.

A kind's meaning stands in ``adapters/access/``; this module says which words it takes and refuses the others by name.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

#: The letters of a SMART v2 scope; some servers refuse them in another order.
_V2_RIGHTS = re.compile(r"c?r?u?d?s?")
_V1_RIGHTS = frozenset({"read", "write", "*"})
_SMART_SCOPE = re.compile(r"(?:system|user|patient)/[A-Za-z*]+\.([^?]*)(?:\?.*)?")


class Entry(BaseModel):
    """One table of the file: unknown names are refused, and a refused value never appears in the message."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def safe_url(value: str) -> str:
    """Return ``value`` if what is sent there can be read on the way by nobody."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must carry neither credentials nor a query")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// unless the EHR is on this machine: it carries clinical content")
    return value


def _token_url(value: str) -> str:
    try:
        return safe_url(value)
    except ValueError as error:
        raise ValueError(str(error).replace("clinical content", "credentials")) from None


def _scope(value: str) -> str:
    for word in value.split():
        found = _SMART_SCOPE.fullmatch(word)
        if found and found[1] not in _V1_RIGHTS and not (found[1] and _V2_RIGHTS.fullmatch(found[1])):
            raise ValueError("the rights of a scope are read, write, * or letters in the order c r u d s")
    return value


Text = Annotated[str, Field(min_length=1)]
_TokenUrl = Annotated[str, AfterValidator(_token_url)]
_Scope = Annotated[str, Field(min_length=1), AfterValidator(_scope)]


class NoAuth(Entry):
    """Nothing is asked for: only on this machine."""

    kind: Literal["none"]


class _OAuth(Entry):
    """``resource``, ``audience``, ``aud``: members of the form that some servers want, with their FHIR address."""

    token_url: _TokenUrl
    client_id: Text
    scope: _Scope
    resource: Text | None = None
    audience: Text | None = None
    aud: Text | None = None


class _PrivateKeyJwt(_OAuth):
    """``assertion_audience``: what the server calls itself, where that is not its token address as we reach it."""

    kind: Literal["private_key_jwt"]
    key_file: Text
    alg: Literal["RS384", "ES384"] = "RS384"
    kid: Text | None = None
    assertion_audience: Text | None = None


class _ClientSecret(_OAuth):
    kind: Literal["client_secret_basic", "client_secret_post"]
    client_secret_file: Text | None = None
    client_secret_env: Text | None = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.client_secret_file is None) == (self.client_secret_env is None):
            raise ValueError("needs either client_secret_file or client_secret_env")
        return self


class _RpcToken(Entry):
    """``idle``: the seconds without use after which the server forgets a token."""

    kind: Literal["rpc_token"]
    token_url: _TokenUrl
    username: Text
    app_name: Text
    idle: Annotated[int, Field(ge=10, le=86_400)]
    password_file: Text | None = None
    password_env: Text | None = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.password_file is None) == (self.password_env is None):
            raise ValueError("needs either password_file or password_env")
        return self


Auth = Annotated[NoAuth | _PrivateKeyJwt | _ClientSecret | _RpcToken, Field(discriminator="kind")]
