"""A network layer for httpcore in which every socket call obeys one deadline, and the first byte that leaves is seen.

It knows nothing of HTTP. It stands under ``adapters.wire`` because time-outs per phase alone let a server that sends a
byte now and then hold a request open for ever, past the lease that guards it.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore

from canonical.boot_clock import boot_seconds

#: One write call may be this long, so that the deadline is looked at in between (octets).
_WRITE_CHUNK = 16 * 1024


class TooLateError(httpcore.WriteTimeout):
    """The request was not begun in time, so not one byte of it left.

    Not a ``WriteError``: httpcore swallows those and goes on to read an answer.
    """


@dataclass
class Call:
    """One request under way in one thread.

    ``ends_at``: no socket call goes on later; ``leave_by``: the first byte leaves by then or never (both boot seconds).
    ``sent`` becomes true before the first byte of the request is handed to the kernel.
    """

    ends_at: float
    leave_by: float
    sent: bool = False

    def within(self, limit: float | None, too_late: type[Exception]) -> float:
        """Return the seconds a socket call may take; raises ``too_late`` when the deadline has passed."""
        left = self.ends_at - boot_seconds()
        if left <= 0:
            msg = "deadline passed"
            raise too_late(msg)
        return left if limit is None else min(left, limit)

    def begin_to_send(self) -> None:
        """Note that the first byte is about to leave; raises :class:`TooLateError` instead when it is too late."""
        if not self.sent and boot_seconds() > self.leave_by:
            msg = "not begun in time"
            raise TooLateError(msg)
        self.sent = True


class _Calls(threading.local):
    """The call of each thread; httpcore's pool does all of a request's I/O in the thread that asked."""

    current: Call | None = None


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, calls: _Calls) -> None:
        self._inner, self._calls = inner, calls

    @property
    def _call(self) -> Call:
        call = self._calls.current
        if call is None:
            msg = "a socket was used outside a call"
            raise httpcore.LocalProtocolError(msg)
        return call

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._call.within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call = self._call
        for start in range(0, len(buffer), _WRITE_CHUNK):
            seconds = call.within(timeout, httpcore.WriteTimeout)
            call.begin_to_send()
            self._inner.write(buffer[start : start + _WRITE_CHUNK], seconds)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = self._call.within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._calls)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    """httpcore's own sockets, each call of which ends by the deadline of the :class:`Call` under way."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._calls = _Calls()

    @contextmanager
    def call(self, *, seconds: float, leave_within: float | None = None) -> Iterator[Call]:
        """Run one request of this thread: over after ``seconds``, begun within ``leave_within`` seconds or not at all."""
        now = boot_seconds()
        leave_by = now + (seconds if leave_within is None else min(seconds, leave_within))
        self._calls.current = call = Call(ends_at=now + seconds, leave_by=leave_by)
        try:
            yield call
        finally:
            self._calls.current = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        call = self._calls.current
        seconds = timeout if call is None else call.within(timeout, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, seconds, local_address, socket_options)
        return _Stream(stream, self._calls)
