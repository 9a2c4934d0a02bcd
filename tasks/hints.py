"""Telling workers, after a commit, that there is work: best effort, bounded, and never needed for anything but latency."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import Celery
from kombu.exceptions import KombuError
from prometheus_client import Counter
from redis.exceptions import RedisError

from tasks.circuit import Circuit
from tasks.queues import QUEUE_OF, TaskName, hint

HINTS_LOST = Counter(
    "writeback_hints_lost", "Hints that could not be published; sweeps and poller find the work.", ["task"]
)

#: Seconds: a hint that waited longer is stale, the sweeps have been by; it must not pile up behind an outage.
EXPIRES = 30


class Hints:
    """Publishes hints through ``app`` (made for producers: it fails within a second); a failure is counted, not raised.

    Call after the commit, never inside the transaction: a worker would find nothing, or work that was rolled back.
    """

    def __init__(self, app: Celery, *, circuit: Circuit) -> None:
        """Take an application with role ``producer``; nothing is opened yet."""
        self._app, self._circuit = app, circuit

    def dispatch(self, lane_id: int) -> bool:
        """Hint that lane ``lane_id`` has work; ``False``: the hint is lost, which costs only time."""
        return self._publish(TaskName.DISPATCH, hint(lane=lane_id))

    def verify(self, command_id: UUID) -> bool:
        """Hint that a command waits for its proof."""
        return self._publish(TaskName.VERIFY, hint(command=str(command_id)))

    def notify(self, callback_id: int) -> bool:
        """Hint that a callback is due."""
        return self._publish(TaskName.NOTIFY, hint(callback=callback_id))

    def look(self, case_id: int) -> bool:
        """Hint that the chart is to be looked at for a case."""
        return self._publish(TaskName.LOOK, hint(case=case_id))

    def recheck(self, command_id: UUID) -> bool:
        """Hint that a settled write is to be looked at again."""
        return self._publish(TaskName.RECHECK, hint(command=str(command_id)))

    def inquire(self, command_id: UUID) -> bool:
        """Hint that the EHR is to be asked whether its staff accepted a write."""
        return self._publish(TaskName.INQUIRE, hint(command=str(command_id)))

    def complete(self, command_id: UUID) -> bool:
        """Hint that an incomplete command is to be looked at."""
        return self._publish(TaskName.COMPLETE, hint(command=str(command_id)))

    def reread(self, entry_id: int) -> bool:
        """Hint that an entry is to be read, since somebody says that it was changed."""
        return self._publish(TaskName.REREAD, hint(entry=entry_id))

    def _publish(self, task: TaskName, message: dict[str, Any]) -> bool:
        if not self._circuit.allows():
            HINTS_LOST.labels(task.value).inc()
            return False
        try:
            self._app.send_task(
                task.value,
                args=(message,),
                queue=QUEUE_OF[task].value,
                expires=EXPIRES,
                retry=False,
                ignore_result=True,
            )
        except (KombuError, RedisError, OSError) as error:
            HINTS_LOST.labels(task.value).inc()
            self._circuit.failed(error)
            return False
        self._circuit.succeeded()
        return True
