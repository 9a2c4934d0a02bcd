"""What the door would say of an action: pointers and codes, from parsing and from the action's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.action import spec_for
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError
from tests.factories import NOW, Json, as_bytes, envelope_json

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.action import Finding
    from canonical.envelope import Envelope


def parsed(action: Json, **members: Any) -> Envelope:
    """Return the envelope around ``action``, read back from its own bytes."""
    return parse_envelope(as_bytes(envelope_json(action, **members)))


def refusals(action: Json, now: datetime = NOW, **members: Any) -> dict[str, str]:
    """Return pointer → code of everything that is refused; empty when the command is acceptable."""
    try:
        envelope = parsed(action, **members)
    except RefusedError as refusal:
        return {error.pointer: error.code for error in refusal.errors}
    return {error.pointer: error.code for error in spec_for(envelope.action).check(envelope, now)}


def confirmations(action: Json, **members: Any) -> dict[str, str]:
    """Return pointer → code of what its author must confirm."""
    envelope = parsed(action, **members)
    return {error.pointer: error.code for error in spec_for(envelope.action).confirmations(envelope, NOW)}


def findings(action: Json, **members: Any) -> list[Finding]:
    """Return what a person should look at."""
    envelope = parsed(action, **members)
    return spec_for(envelope.action).findings(envelope, NOW)


def marks(action: Json, now: datetime = NOW, **members: Any) -> tuple[str, ...]:
    """Return the action's marks."""
    envelope = parsed(action, **members)
    return spec_for(envelope.action).marks(envelope, now)


def through_the_wire(value: Any) -> Any:
    """Return JSON as it is after one journey."""
    return exact_json.parse(exact_json.dumps(value))
