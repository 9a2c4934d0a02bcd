"""Keys and fingerprints: when two requests are one intent. Not the lock itself, which is a unique row."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from canonical import exact_json
from canonical.action import spec_for
from canonical.errors import FieldError, RefusedError

if TYPE_CHECKING:
    from canonical.envelope import Envelope

KEY_PATTERN = re.compile(r"[A-Za-z0-9._:\-]{8,128}")
#: What a second request under the same key must repeat. Correlation, app version, reason, times of sending may differ.
FINGERPRINTED = (
    "connection",
    "action",
    "patient",
    "encounter",
    "target",
    "author",
    "onBehalfOf",
    "consent",
    "ai",
    "fallback",
)


def check_key(key: str) -> str:
    """Return ``key`` if it is 8-128 characters of ``[A-Za-z0-9._:-]``.

    Raises :class:`RefusedError` ``invalid-idempotency-key``.
    """
    if KEY_PATTERN.fullmatch(key) is None:
        raise RefusedError(
            "invalid-idempotency-key",
            "Idempotency-Key must be 8 to 128 characters of A-Z a-z 0-9 . _ : and -.",
        )
    return key


def derived_key(envelope: Envelope, app: str) -> str:
    """Return the key of an envelope that came without one: app + source event + action + operation + code.

    Patient, encounter, value and times are left out: they may change between two tries of one intent.
    Raises :class:`RefusedError` ``idempotency-key-required`` when there is no ``source.eventId`` to derive it from.
    """
    event = envelope.source.event_id if envelope.source else None
    if event is None:
        raise RefusedError(
            "idempotency-key-required",
            "Send an Idempotency-Key header, or source.eventId so that a key can be derived.",
            errors=(FieldError(pointer="/source/eventId", code="required", detail="needed when no key is sent"),),
        )
    action = envelope.action
    parts = (app, event, action.type, action.operation, spec_for(action).business_code(action))
    return "derived:" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def key_hash(tenant: str, app: str, key: str) -> bytes:
    """Return the SHA-256 under which a key is stored and locked, 32 bytes; scope is tenant and app."""
    return hashlib.sha256(f"{tenant}\x1f{app}\x1f{key}".encode()).digest()


def fingerprint(envelope: Envelope) -> bytes:
    """Return the SHA-256 of what makes two requests the same intent; member order and white space do not count."""
    body = envelope.as_json()
    return exact_json.digest({name: body.get(name) for name in FINGERPRINTED})
