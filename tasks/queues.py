"""Queues and task names: the vocabulary that producers, workers, scheduler and upstream apps share. No behaviour.

Every queue but one carries hints: PostgreSQL is the queue, and a hint may be lost, doubled or late with no effect but
latency. On ``wb.receive`` the message is the only copy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class QueueName(StrEnum):
    """The queues."""

    #: "Lane L has work."
    DISPATCH = "wb.dispatch"
    #: "Command C has no proof yet."
    VERIFY = "wb.verify"
    #: "Callback B is due."
    NOTIFY = "wb.notify"
    #: "The chart of case K is to be looked at", "settled command C is to be looked at again", "did staff accept it",
    #: "entry E is said to have changed".
    REVIEW = "wb.review"
    #: "Sweep S is due", from the scheduler.
    SWEEP = "wb.sweep"
    #: Actions from apps that enqueue to Celery.
    RECEIVE = "wb.receive"


class TaskName(StrEnum):
    """The tasks, ``noun.verb``; ``command.receive`` is a public contract and never changes its name."""

    DISPATCH = "lane.dispatch"
    VERIFY = "command.verify"
    NOTIFY = "command.notify"
    LOOK = "case.look"
    RECHECK = "command.recheck"
    INQUIRE = "command.inquire"
    COMPLETE = "command.complete"
    REREAD = "entry.reread"
    SWEEP = "sweep.run"
    RECEIVE = "command.receive"


QUEUE_OF: dict[TaskName, QueueName] = {
    TaskName.DISPATCH: QueueName.DISPATCH,
    TaskName.VERIFY: QueueName.VERIFY,
    TaskName.NOTIFY: QueueName.NOTIFY,
    TaskName.LOOK: QueueName.REVIEW,
    TaskName.RECHECK: QueueName.REVIEW,
    TaskName.INQUIRE: QueueName.REVIEW,
    TaskName.COMPLETE: QueueName.REVIEW,
    TaskName.REREAD: QueueName.REVIEW,
    TaskName.SWEEP: QueueName.SWEEP,
    TaskName.RECEIVE: QueueName.RECEIVE,
}

#: The form of our own messages; a worker of an older release meets a newer form after a deployment.
HINT_VERSION = 1


def hint(**members: Any) -> dict[str, Any]:
    """Return the body of a hint: its version and an opaque id."""
    return {"v": HINT_VERSION, **members}


def is_known(message: object) -> bool:
    """Return whether ``message`` is a hint in a form that this release understands."""
    return isinstance(message, dict) and message.get("v") == HINT_VERSION
