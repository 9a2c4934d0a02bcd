"""Sockets for callbacks: the address is checked where the connection is made, and every call obeys one deadline.

Time-outs per phase alone would let a receiver that sends a byte now and then hold a worker for ever.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from tasks.callback_address import AddressRules


class ForbiddenAddressError(httpcore.ConnectError):
    """The name leads to an address that callbacks may not go to; nothing was sent."""


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that ``rules`` admit, and not past ``seconds`` from now."""

    def __init__(self, rules: AddressRules, *, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start the clock; one backend serves one request."""
        self._inner = httpcore.SyncBackend()
        self._rules, self._monotonic = rules, monotonic
        self._ends_at = monotonic() + seconds

    def left(self, limit: float | None, too_late: type[Exception]) -> float:
        """Return the seconds that a socket call may take; raises ``too_late`` when there are none."""
        left = self._ends_at - self._monotonic()
        if left <= 0:
            raise too_late("deadline passed")
        return left if limit is None else min(left, limit)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._resolve(host, port)
        if not all(self._rules.admits(address) for address in addresses):
            # Not the next best one: a name that leads inside at all is not what was registered.
            raise ForbiddenAddressError("the name leads to an address that callbacks may not go to")
        last: Exception = httpcore.ConnectError("the name leads nowhere")
        for address in addresses:
            try:
                seconds = self.left(timeout, httpcore.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
                return _Stream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    @staticmethod
    def _resolve(host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be resolved") from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, backend: GuardedBackend) -> None:
        self._inner, self._backend = inner, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._backend.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
