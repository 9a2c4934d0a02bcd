"""The HTTP wire to one EHR: one request in, one answer or none out. It knows no FHIR, no tokens and no outcome.

It stands on httpcore, the engine of httpx, because only there can a deadline be put under every socket call and the first
byte be seen to leave. Nothing is retried but plain reads, no redirect is followed, no cookie kept, no environment read,
and neither addresses nor bodies are logged.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import certifi
import httpcore

from adapters.deadline import DeadlineBackend, TooLateError
from canonical.boot_clock import boot_seconds
from canonical.errors import ConfigurationError

#: An answer longer than this is not read to its end (octets).
MAX_BODY_DEFAULT = 5 * 1024 * 1024
#: Servers commonly close idle connections after 5 s or more; a write must not ride one that is about to be closed.
KEEPALIVE_EXPIRY = 2.0
#: A connection that is not there within this is not there (seconds); the same for a place in the pool.
CONNECT_SECONDS = 5.0
#: Requests for one plain read.
READ_TRIES = 3

#: Why no answer came, most specific first.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TooLateError, "not begun in time"),
    (httpcore.PoolTimeout, "no free connection"),
    (httpcore.ConnectTimeout, "connect timed out"),
    (httpcore.ConnectError, "connect failed"),
    (httpcore.WriteTimeout, "timed out while sending"),
    (httpcore.ReadTimeout, "timed out while waiting"),
    (httpcore.RemoteProtocolError, "answer cut off"),
    (httpcore.NetworkError, "connection lost"),
    (httpcore.ProtocolError, "not HTTP"),
    (httpcore.UnsupportedProtocol, "not an http or https address"),
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete HTTP answer; ``headers`` have lower-case names, ``body`` is what came, decoded by nobody."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class NoAnswer:
    """No complete answer came; ``sent`` is false only if not one byte of the request left. ``reason`` names no address."""

    sent: bool
    reason: str


class _OversizedError(Exception):
    """The answer is longer than allowed."""


class Wire:
    """A pool of connections to one base URL. Thread-safe; every request ends within ``seconds``."""

    def __init__(
        self,
        base_url: str,
        *,
        max_connections: int = 8,
        max_body: int = MAX_BODY_DEFAULT,
        ca_file: str | None = None,
    ) -> None:
        """Prepare a pool; nothing is connected yet. ``ca_file`` (PEM) replaces the public certificate authorities."""
        # httpcore's debug lines name addresses and headers, the bearer token among them.
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        self._base_url = base_url.rstrip("/")
        self._max_body = max_body
        self._backend = DeadlineBackend()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(ca_file),
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEPALIVE_EXPIRY,
            retries=0,
            network_backend=self._backend,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        seconds: float,
        body: bytes | None = None,
        leave_within: float | None = None,
    ) -> Answer | NoAnswer:
        """Send one request once; ``path`` is relative to the base URL, encoded, with its query.

        ``leave_within``: seconds in which its first byte must have left, else nothing is sent.
        """
        with self._backend.call(seconds=seconds, leave_within=leave_within) as call:
            try:
                return self._exchange(method, path, headers, body, seconds)
            except _OversizedError:
                return NoAnswer(sent=True, reason="answer too long")
            except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
                return NoAnswer(sent=call.sent, reason=_reason(error))
            except (httpcore.UnsupportedProtocol, OSError) as error:
                return NoAnswer(sent=call.sent, reason=_reason(error))

    def read(self, path: str, *, headers: Mapping[str, str], seconds: float) -> Answer | NoAnswer:
        """Send a GET, again where no answer came, at most ``READ_TRIES`` times within ``seconds``."""
        ends_at = boot_seconds() + seconds
        answer: Answer | NoAnswer = NoAnswer(sent=False, reason="no time left")
        for _ in range(READ_TRIES):
            left = ends_at - boot_seconds()
            if left <= 0:
                break
            answer = self.request("GET", path, headers=headers, seconds=left)
            if isinstance(answer, Answer):
                break
        return answer

    def url_of(self, path: str) -> str:
        """Return the absolute address of a path."""
        return f"{self._base_url}/{path}" if path else self._base_url

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer:
        quick = min(CONNECT_SECONDS, seconds)
        timeouts = {"connect": quick, "pool": quick, "read": seconds, "write": seconds}
        url = httpcore.URL(self.url_of(path))
        sent = [("Host", _host(url)), ("Accept-Encoding", "identity"), *headers.items()]
        if body is not None:
            sent.append(("Content-Length", str(len(body))))
        with self._pool.stream(method, url, headers=sent, content=body, extensions={"timeout": timeouts}) as response:
            names = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)
            return Answer(status=response.status, headers=_joined(names), body=self._body(response))

    def _body(self, response: httpcore.Response) -> bytes:
        parts, size = [], 0
        for part in response.iter_stream():
            size += len(part)
            if size > self._max_body:
                raise _OversizedError
            parts.append(part)
        return b"".join(parts)


@cache
def _public_authorities() -> ssl.SSLContext:
    """What every connection to a public EHR trusts; read once, as reading it takes 20 ms and more."""
    return ssl.create_default_context(cafile=certifi.where())


def _ssl_context(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return _public_authorities()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        msg = f"the file of certificate authorities cannot be read: {ca_file}"
        raise ConfigurationError(msg) from error


def _host(url: httpcore.URL) -> str:
    host = url.host.decode("ascii")
    default = {b"http": 80, b"https": 443}.get(url.scheme)
    shown = f"[{host}]" if ":" in host else host
    return shown if url.port in (None, default) else f"{shown}:{url.port}"


def _joined(pairs: object) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:  # type: ignore[attr-defined]
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _reason(error: Exception) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "connection failed")
