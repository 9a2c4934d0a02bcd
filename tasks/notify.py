"""Telling an app that the status of its command changed: one attempt of one callback, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

import structlog
from prometheus_client import Counter

from canonical.callbacks import Callback, CallbackStore, Delivery
from canonical.retry import Backoff

log = structlog.get_logger()

CALLBACK_ATTEMPTS = Counter("writeback_callback_attempts", "Attempts to deliver a callback.", ["outcome"])

#: An attempt takes seconds at most; a sender that died is given up after this.
LEASE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an app's receiver may be away: ``most`` attempts for one callback, ``window`` of failing for all of them.

    With these defaults a callback is tried for about half a day, and a receiver that took nothing for three days gets
    nothing more until its app registers it anew. An app loses nothing: it can look its commands up.
    """

    backoff: Backoff = field(default_factory=lambda: Backoff(base=timedelta(seconds=5), cap=timedelta(hours=2)))
    most: int = 20
    window: timedelta = timedelta(days=3)


class SendsCallbacks(Protocol):
    """What sends one callback (:class:`tasks.callback_sender.CallbackSender`)."""

    def send(self, callback: Callback, *, now: datetime) -> Delivery:
        """Send it once."""
        ...


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """Delivers callbacks; ``clock`` gives aware UTC."""

    callbacks: CallbackStore
    sender: SendsCallbacks
    clock: Callable[[], datetime]
    random: Random
    patience: Patience = field(default_factory=Patience)

    def run(self, callback_id: int) -> Delivery | None:
        """Make one attempt of a callback that is due; ``None``: it is not, or somebody else is at it.

        Raises ``StoreUnavailableError`` when PostgreSQL is gone; the callback is due again after its lease.
        """
        callback = self.callbacks.take(callback_id, lease=LEASE)
        if callback is None:
            return None
        delivery = self.sender.send(callback, now=self.clock())
        CALLBACK_ATTEMPTS.labels("delivered" if delivery.delivered else "failed").inc()
        if delivery.delivered:
            self.callbacks.delivered(callback, delivery)
        else:
            self._failed(callback, delivery)
        return delivery

    def _failed(self, callback: Callback, delivery: Delivery) -> None:
        last = callback.attempts >= self.patience.most
        wait = None if last else self.patience.backoff.delay(callback.attempts, self.random)
        self.callbacks.failed(callback, delivery, wait=wait)
        log.info(
            "a callback was not taken",
            action="callback.failed",
            command=str(callback.command_id),
            endpoint=str(callback.endpoint_id),
            status=delivery.status,
            why=delivery.reason,
            attempts=callback.attempts,
            given_up=last,
        )
        window = timedelta(0) if delivery.unwanted else self.patience.window
        if self.callbacks.disable_endpoint(callback, failing_for=window):
            log.warning("endpoint disabled", action="endpoint.disabled", endpoint=str(callback.endpoint_id))
