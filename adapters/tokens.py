"""Where the wire gets the access token of a connection: the kinds of proof there are, as a table. Not scopes' meaning.

How each kind asks stands in ``adapters/access/``; what it is given is kept and shared by ``access.kept_tokens``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from adapters.access.client_secret import client_secret_basic, client_secret_post
from adapters.access.credentials import Prover
from adapters.access.issuer import Issuer
from adapters.access.kept_tokens import KeptTokens
from adapters.access.private_key_jwt import private_key_jwt
from adapters.access.rpc_token import RpcToken
from adapters.access.token_endpoint import TokenEndpoint
from canonical import exact_json
from canonical.errors import ConfigurationError
from canonical.token_cache import TokenCache

#: How a client of an OAuth token endpoint proves itself, by ``auth.kind``.
PROVERS: Mapping[str, Callable[[Mapping[str, str]], Prover]] = MappingProxyType(
    {
        "private_key_jwt": private_key_jwt,
        "client_secret_basic": client_secret_basic,
        "client_secret_post": client_secret_post,
    }
)
RPC_TOKEN = "rpc_token"  # noqa: S105 - the name of a kind


class Tokens(Protocol):
    """Where the wire gets its bearer token; thread-safe."""

    @property
    def granted(self) -> str | None:
        """The scope last granted, space-separated, as the server spells it; ``None`` where none was stated."""
        ...

    def bearer(self, seconds: float) -> str | None:
        """Return a token (``None``: none is needed) within ``seconds``.

        Raises :class:`EhrUnavailableError` with reason ``auth``, ``throttled`` or ``outage``: nothing was sent.
        """
        ...

    def refused(self, token: str) -> None:
        """Drop ``token``, which the EHR does not take, unless it was replaced meanwhile."""
        ...

    def close(self) -> None: ...


class NoTokens:
    """For an EHR that asks for none: tests and closed networks."""

    granted: str | None = None

    def bearer(self, seconds: float) -> str | None:
        return None

    def refused(self, token: str) -> None:
        """There is nothing to drop."""

    def close(self) -> None:
        """There is nothing to close."""


def open_tokens(
    auth: Mapping[str, str],
    *,
    clock: Callable[[], datetime],
    ca_file: str | None = None,
    owner: str = "",
    cache: TokenCache | None = None,
) -> Tokens:
    """Return the source of tokens that a connection's ``auth`` describes; its key or secret is looked for now.

    ``owner`` names the connection among all that share ``cache``; without one, the process keeps its token to itself.
    Raises :class:`ConfigurationError` naming the setting to correct.
    """
    kind = auth.get("kind")
    if kind == "none":
        return NoTokens()
    return KeptTokens(_issuer(auth, clock, ca_file), name=_name(auth, owner), cache=cache)


def _issuer(auth: Mapping[str, str], clock: Callable[[], datetime], ca_file: str | None) -> Issuer:
    kind = auth.get("kind", "")
    if kind == RPC_TOKEN:
        return RpcToken(auth, clock=clock, ca_file=ca_file)
    prover = PROVERS.get(kind)
    if prover is None:
        kinds = ", ".join([*PROVERS, RPC_TOKEN])
        raise ConfigurationError(f"auth.kind must be one of {kinds} (or 'none' for an EHR without authentication)")
    return TokenEndpoint(auth, prover(auth), clock=clock, ca_file=ca_file)


def _name(auth: Mapping[str, str], owner: str) -> str:
    """Return the name of a token in the cache: of the same connection, asked for in the same words, or it is another one.

    Where a secret is kept may differ from machine to machine.
    """
    words = {name: value for name, value in auth.items() if not name.endswith(("_file", "_env"))}
    return hashlib.sha256(exact_json.canonical_bytes({"owner": owner, "auth": words})).hexdigest()
