"""``command.receive``: one message from an app's queue, accepted or kept as refused, then acknowledged; never dropped.

Late acknowledgement: until the message is stored here, Redis has the only copy. Receiving is idempotent, so a redelivery
is answered like a repeat over HTTP. What the sender can fetch as the task's result is the id and the status, shortly;
only a receipt is a promise.
"""

from __future__ import annotations

import hashlib
import json
from threading import Event
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Reject

from canonical.admission import UNKNOWN_TENANT, Refusal
from canonical.errors import StoreUnavailableError
from tasks.queues import TaskName

log = structlog.get_logger()

#: Seconds before a message is given back while PostgreSQL is away: it would come again at once.
PACE = 1.0

Result = dict[str, str]


def receive(self: Task, *args: Any, **kwargs: Any) -> Result:
    """Take ``[message]``; what is refused is kept, and only what cannot be stored now goes back to the queue."""
    try:
        return _receive(self, args, kwargs)
    except StoreUnavailableError:
        log.warning("PostgreSQL is away; the message goes back to the queue", action="store.away")
        Event().wait(PACE)
        raise Reject("store-unavailable", requeue=True) from None


def _receive(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    if task.request.asked_eta or task.request.asked_expires:
        # Held in a worker's memory, or dropped unseen: a deadline belongs in the command (``notAfter``).
        return _refused("delivery-options-unsupported", args, kwargs)
    if len(args) != 1 or kwargs:
        return _refused("malformed-message", args, kwargs)
    return _accepted(args[0])


def _accepted(message: object) -> Result:
    from config.wiring import services

    try:
        answer = services().message_door.handle_message(message)
    except StoreUnavailableError:
        raise
    except Exception as error:
        # A defect of ours must not lose an app's only copy.
        log.error("receiving failed", action="message.failed", exc_info=error)
        return _refused("internal-error", (message,), {})
    if isinstance(answer, Refusal):
        return {"refused": answer.code}
    return {"id": str(answer.id), "status": answer.status.value}


def _refused(code: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    """Keep the whole call with its reason; the same one again adds nothing."""
    from config.wiring import services

    call = {"args": [_without_token(item) for item in args], "kwargs": _without_token(kwargs)}
    body = json.dumps(call, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
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
    log.warning("a message was refused and kept", action="message.kept", code=code)
    return {"refused": code}


def _without_token(value: object) -> object:
    """Leave the credential out of what is kept."""
    return {name: item for name, item in value.items() if name != "token"} if isinstance(value, dict) else value


def register_receive(app: Celery) -> None:
    """Give ``app`` the task, with a request that shows its arguments to nobody."""
    app.task(
        receive,
        bind=True,
        shared=False,
        name=TaskName.RECEIVE.value,
        acks_late=True,
        ignore_result=False,
        Request="tasks.withheld:WithheldRequest",
    )
