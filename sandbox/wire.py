"""Connections that can be cut in mid-answer, which HTTP servers rightly do not offer; not HTTP itself."""

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "sandbox.transport"
_LINGER_ZERO = struct.pack("ii", 1, 0)


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 that lets the application reach the connection its request came on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # The server copies this mapping into every request's scope; this connection has one of its own.
        self.app_state: MutableMapping[str, Any] = {**self.app_state, _TRANSPORT: transport}  # type: ignore[assignment]


def transport_of(scope: Scope) -> asyncio.Transport:
    """The connection of a request.

    Raises:
        RuntimeError: the request did not come over a socket of ours, so nothing can be cut.
    """
    transport = scope.get("state", {}).get(_TRANSPORT)
    if not isinstance(transport, asyncio.Transport):
        raise RuntimeError(  # noqa: TRY004 - the caller gave no wrong type, the server is a wrong one
            "Only a served sandbox can drop connections; start it with serve()."
        )
    return transport


async def drop(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """End the connection without a word: with a TCP reset, or with an ordinary close."""
    transport = transport_of(scope)
    # A client that has left already needs no ending, and its socket can no longer be told how.
    if reset and not transport.is_closing():
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Return when the client's connection has ended."""
    while (await receive())["type"] != "http.disconnect":
        continue
