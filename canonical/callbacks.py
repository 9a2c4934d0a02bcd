"""What an app is told when the status of its command changed: thin, signed elsewhere, no clinical content. Nothing is sent.

Order cannot be promised, so each carries its ``sequence``; the message id is the same on every attempt, so that a
receiver can drop a repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from canonical import exact_json
from canonical.status import Status

#: Event types, stable for ever, as the statuses are.
EVENT_TYPES: dict[Status, str] = {
    Status.PENDING: "command.pending",
    Status.NEEDS_ATTENTION: "command.needs_attention",
    Status.IN_CHART: "command.in_chart",
    Status.NOT_WRITTEN: "command.not_written",
    Status.TAKEN_BACK: "command.taken_back",
}


@dataclass(frozen=True, kw_only=True)
class Callback:
    """One message to one endpoint; ``attempts`` includes the one under way, ``created_at`` is when the status changed."""

    id: int
    endpoint_id: UUID
    url: str = field(repr=False)
    secret: str = field(repr=False)
    command_id: UUID
    sequence: int
    status: Status
    state: str
    reason: str
    correlation_id: str
    created_at: datetime
    attempts: int

    @property
    def message_id(self) -> str:
        """What a receiver tells repeats by."""
        return f"{self.command_id}.{self.sequence}"

    def body(self) -> str:
        """Return the JSON that is signed and sent."""
        return exact_json.dumps(
            {
                "type": EVENT_TYPES[self.status],
                "timestamp": self.created_at.isoformat(),
                "data": {
                    "commandId": str(self.command_id),
                    "status": self.status.value,
                    "state": self.state,
                    "reason": self.reason,
                    "correlationId": self.correlation_id,
                    "sequence": self.sequence,
                },
            }
        )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What one attempt came to: the HTTP ``status`` if there was an answer, else a ``reason`` that names no address."""

    status: int | None = None
    reason: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it (2xx; a redirect is not followed and takes nothing)."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def unwanted(self) -> bool:
        """Whether the receiver says that it wants no more (410)."""
        return self.status == 410


class CallbackStore(Protocol):
    """What notifying asks of the store; every method raises ``StoreUnavailableError`` when it cannot be reached."""

    def take(self, callback_id: int, *, lease: timedelta) -> Callback | None:
        """Take a due callback for one attempt, hidden from others for ``lease``; ``None``: not due, or somebody has it."""
        ...

    def delivered(self, callback: Callback, delivery: Delivery) -> None:
        """Note that it arrived."""
        ...

    def failed(self, callback: Callback, delivery: Delivery, *, wait: timedelta | None) -> None:
        """Note that it did not arrive; try again after ``wait``, or never."""
        ...

    def disable_endpoint(self, callback: Callback, *, failing_for: timedelta) -> bool:
        """Send nothing more to its endpoint if that has failed for at least so long; return whether it was disabled now."""
        ...
