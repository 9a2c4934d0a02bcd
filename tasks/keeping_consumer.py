"""The consumer of ``wb.receive``: what no task can be made of is kept as refused, not discarded with its body in a log.

Celery drops a message that it cannot decode, whose task it does not know, or whose headers are broken, and logs the
content. Here the message is an app's only copy of a clinical action.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from threading import Event
from typing import Any

import structlog
from celery.worker.consumer import Consumer
from kombu.message import Message

from canonical.admission import UNKNOWN_TENANT, Refusal
from canonical.errors import StoreUnavailableError

log = structlog.get_logger()
#: For kombu, which fills in its own templates.
_library_log = logging.getLogger(__name__)

#: A token as a JSON member; inside the text of ``body`` its quotes would be escaped.
_TOKEN = re.compile(rb'("token"\s*:\s*")[^"]*')
#: Seconds before a message that could not be kept is given back: PostgreSQL is away, and it would come at once again.
PACE = 1.0


class KeepingConsumer(Consumer):
    """Celery's consumer, which keeps what it would have dropped."""

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Message], Any]:
        """Return Celery's handler, with every other failure to read a message turned into keeping it."""
        handle = super().create_task_handler(*arguments, **options)

        def on_task_received(message: Message) -> Any:
            try:
                return handle(message)
            except Exception as error:
                # kombu counts a KeyError as a broken connection; from here it is a header that is missing.
                if isinstance(error, self.connection_errors) and not isinstance(error, KeyError):
                    raise
                return self._keep(message, "message-malformed", error)

        return on_task_received

    def on_unknown_message(self, body: Any, message: Message) -> None:
        self._keep(message, "message-malformed")

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        self._keep(message, "task-unknown", exc)

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        self._keep(message, "message-malformed", exc)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        self._keep(message, "message-malformed", exc)

    def _keep(self, message: Message, code: str, error: Exception | None = None) -> None:
        """Store the message as it came and acknowledge it; with PostgreSQL away, give it back to the queue."""
        from config.wiring import services

        if message.acknowledged:
            return
        body = _without_token(_as_bytes(message.body))
        try:
            services().refusals.record(
                Refusal(
                    tenant=UNKNOWN_TENANT,
                    app=None,
                    door="celery",
                    code=code,
                    body=body,
                    message_digest=hashlib.sha256(body).digest(),
                )
            )
        except StoreUnavailableError:
            Event().wait(PACE)
            message.reject_log_error(_library_log, self.connection_errors, requeue=True)  # type: ignore[no-untyped-call]
            return
        log.warning(
            "a message was refused and kept",
            action="message.kept",
            code=code,
            error=type(error).__name__ if error else None,
        )
        message.ack_log_error(_library_log, self.connection_errors)  # type: ignore[no-untyped-call]


def _without_token(body: bytes) -> bytes:
    """Leave the credential out of what is kept, and every other byte as it came: it may be no JSON at all."""
    return _TOKEN.sub(rb"\1", body)


def _as_bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()
