"""Notifications on their way in: from whom, what they say, and having the entries read that they name. Not the HTTP door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import Counter

from canonical.echo import Ears, Hearing
from canonical.errors import ConfigurationError, RefusedError
from canonical.notification import NotificationForm, UnreadableNotificationError, read_notification
from tasks.hints import Hints
from tasks.notification_proof import NotificationProof, message_digest

log = structlog.get_logger()

NOTIFICATIONS_REFUSED = Counter(
    "writeback_notifications_refused", "Notifications that were not taken, whoever sent them.", ["code"]
)
#: Entries of one message that workers hear of at once.
_HINTED = 20


@dataclass(frozen=True, kw_only=True)
class Sender:
    """One connection whose EHR may notify us; ``form`` is how it does."""

    tenant: str
    connection: str
    proof: NotificationProof
    form: Callable[[], NotificationForm]


@dataclass(frozen=True, kw_only=True)
class NotificationIntake:
    """Takes notifications; ``senders`` by name of connection, which two tenants may share. Thread-safe."""

    senders: Mapping[str, tuple[Sender, ...]]
    ears: Ears
    hints: Hints
    clock: Callable[[], datetime]

    def needs_body(self, name: str) -> bool:
        """Return whether a sender of that name can be known by the body alone."""
        return any(sender.proof.needs_body for sender in self.senders.get(name, ()))

    def sender(self, name: str, headers: Mapping[str, str], body: bytes) -> Sender:
        """Return who sends it; names of ``headers`` are in lower case.

        Raises ``RefusedError`` ``notification-unproven``, the same for a connection that is not there.
        """
        proven = [item for item in self.senders.get(name, ()) if self._is_proven(item, headers, body)]
        if len(proven) != 1:
            # A secret that two tenants share names neither.
            raise RefusedError("notification-unproven", "Nothing proves that this comes from an EHR known here.")
        return proven[0]

    def _is_proven(self, sender: Sender, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            return sender.proof.holds(headers, body, self.clock())
        except (ConfigurationError, ValueError, RuntimeError) as error:
            # A secret that is gone, or is none, proves nothing; which it is stays in our log.
            log.error(
                "the secret of a connection's notifications cannot be used",
                action="notification.no_secret",
                connection=sender.connection,
                error=type(error).__name__,
            )
            return False

    def take(self, sender: Sender, said: Mapping[str, Any], headers: Mapping[str, str], body: bytes) -> Hearing:
        """Store what is new of a proven notification, and have the entries read that concern us.

        Raises ``RefusedError`` ``notification-unreadable`` and ``StoreUnavailableError`` (the EHR sends it again).
        """
        try:
            notification = read_notification(said, sender.form())
        except UnreadableNotificationError as error:
            raise RefusedError("notification-unreadable", f"Nothing was taken: {error}.") from None
        heard = self.ears.hear(sender.tenant, sender.connection, notification, message=message_digest(headers, body))
        # The sweep hands out the rest, as much at once as the EHR bears.
        for entry in heard.touched[:_HINTED]:
            if not self.hints.reread(entry):
                break
        return heard

    def count_refused(self, code: str) -> None:
        """Count what was not taken, by code: whoever guesses names of connections must not make a metric of each."""
        NOTIFICATIONS_REFUSED.labels(code).inc()
