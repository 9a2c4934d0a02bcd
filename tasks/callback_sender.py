"""One signed callback over HTTP, once: no redirect, no repetition, no proxy, and the answer's body is not read."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from functools import cached_property

import certifi
import httpcore
from standardwebhooks import Webhook

from canonical.callbacks import Callback, Delivery
from tasks.callback_address import AddressRules
from tasks.guarded_network import ForbiddenAddressError, GuardedBackend

#: Why no answer came, most specific first; texts of exceptions may quote addresses.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ForbiddenAddressError, "address not allowed"),
    (httpcore.TimeoutException, "timed out"),
    (httpcore.ConnectError, "connect failed"),
    (httpcore.NetworkError, "connection lost"),
    (httpcore.ProtocolError, "not HTTP"),
    (httpcore.UnsupportedProtocol, "not an http or https address"),
    (ssl.SSLError, "not trusted"),
    (ValueError, "the endpoint's address or secret cannot be used"),
)


class CallbackSender:
    """Sends callbacks within ``timeout`` each; plain HTTP only to loopback, and only if that is allowed. Thread-safe."""

    def __init__(self, *, timeout: timedelta, rules: AddressRules) -> None:
        """Open nothing yet."""
        self._timeout, self._rules = timeout, rules

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=certifi.where())

    def send(self, callback: Callback, *, now: datetime) -> Delivery:
        """Send ``callback`` once, signed as of ``now`` (aware UTC), as Standard Webhooks say (version 1.0.0)."""
        try:
            url = httpcore.URL(callback.url)
            if url.scheme != b"https" and not self._rules.allow_loopback:
                return Delivery(reason="only https:// is allowed")
            rules = self._rules if url.scheme == b"https" else AddressRules(allow_loopback=True, public=False)
            return Delivery(status=self._post(url, rules, callback, now))
        except tuple(kind for kind, _ in _REASONS) as error:
            return Delivery(reason=next(reason for kind, reason in _REASONS if isinstance(error, kind)))

    def _post(self, url: httpcore.URL, rules: AddressRules, callback: Callback, now: datetime) -> int:
        body = callback.body()
        signature = Webhook(callback.secret).sign(callback.message_id, now, body)
        headers: dict[bytes | str, bytes | str] = {
            "host": _host(url),
            "content-type": "application/json",
            "content-length": str(len(body.encode())),
            "user-agent": "writeback",
            "webhook-id": callback.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
        seconds = self._timeout.total_seconds()
        phases = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        # A connection of its own for each: the address is checked each time, and none idles for a receiver to hold.
        with (
            httpcore.ConnectionPool(
                ssl_context=self._trusted if url.scheme == b"https" else None,
                network_backend=GuardedBackend(rules, seconds=seconds),
                max_keepalive_connections=0,
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body.encode(), extensions={"timeout": phases}) as answer,
        ):
            return answer.status


def _host(url: httpcore.URL) -> str:
    name = url.host.decode()
    port = f":{url.port}" if url.port is not None else ""
    return f"[{name}]{port}" if ":" in name else f"{name}{port}"
