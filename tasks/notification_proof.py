"""Whether what came to the door is from the EHR that it names: a signature over the raw body, or a secret in a header.

Source: Standard Webhooks 1.0.0 (headers ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``), by the library that
signs our own callbacks; HL7 FHIR R4 ``Subscription.channel.header``; W3C WebSub (2018), sections 7.1 and 7.1.1 (signing content).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from canonical.errors import ConfigurationError

_BEARER = "bearer"
#: What a hub may sign with; SHA-1, which WebSub allows too, proves nothing any more.
_HUB_METHODS = ("sha256", "sha384", "sha512")


class NotificationProof(Protocol):
    """How one connection's notifications prove themselves. Thread-safe."""

    @property
    def needs_body(self) -> bool:
        """Whether nothing can be said before the body is there."""
        ...

    @property
    def secret(self) -> Callable[[], str]:
        """What reads the secret; it raises ``ConfigurationError`` where there is none."""
        ...

    def holds(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Return whether it is proven at ``now`` (UTC); names of ``headers`` are in lower case."""
        ...


@dataclass(frozen=True, kw_only=True)
class SignedProof:
    """Signed within ``tolerance`` of our time; ``secret`` reads the shared secret (``whsec_…``, base64)."""

    secret: Callable[[], str] = field(repr=False)
    tolerance: timedelta
    needs_body: bool = True

    def holds(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        name, at, given = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
        if not name or not at.isascii() or not at.isdecimal() or len(at) > 11:
            return False
        moment = datetime.fromtimestamp(int(at), UTC)
        if abs(now - moment) > self.tolerance:
            return False
        try:
            # The library's own check looks at the machine's clock and reads the body as JSON; signing alone does neither.
            wanted = Webhook(self.secret()).sign(name, moment, body.decode())
        except (UnicodeDecodeError, binascii.Error, EmptyWebhookSecretError):
            return False
        return any(hmac.compare_digest(wanted.encode(), item.encode()) for item in given.split(" "))


@dataclass(frozen=True, kw_only=True)
class HeaderProof:
    """The secret comes as ``Authorization: Bearer``; ``secret`` reads it."""

    secret: Callable[[], str] = field(repr=False)
    needs_body: bool = False

    def holds(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == _BEARER and hmac.compare_digest(given.strip().encode(), self.secret().encode())


@dataclass(frozen=True, kw_only=True)
class HubProof:
    """``X-Hub-Signature`` over the raw body, by a ``secret`` of ours. No time is signed: who repeats one costs us a read."""

    secret: Callable[[], str] = field(repr=False)
    needs_body: bool = True

    def holds(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        method, _, given = headers.get("x-hub-signature", "").partition("=")
        secret = self.secret().encode()
        if method not in _HUB_METHODS or not secret:
            return False
        return hmac.compare_digest(hmac.digest(secret, body, method).hex().encode(), given.lower().encode())


def check_secret(proof: NotificationProof) -> None:
    """Raise ``ConfigurationError`` if the secret is not there, or none that can be signed with; it says nothing of it."""
    secret = proof.secret()
    if not isinstance(proof, SignedProof):
        return
    try:
        # The library passes over what is no base64, and would sign with what is left.
        usable = bool(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except binascii.Error:
        usable = False
    if not usable:
        raise ConfigurationError("notifications: a secret of kind 'signed' is whsec_ and base64")


def message_digest(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return what a repeat of a message is known by: what its sender calls it, else all of it."""
    name = headers.get("webhook-id")
    return hashlib.sha256(f"id\0{name}".encode() if name else b"body\0" + body).digest()
