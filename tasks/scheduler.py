"""The Celery beat schedule: one hint for each sweep, as often as the sweep says. It runs no sweep and needs no PostgreSQL.

Two schedulers double the hints, which doubles nothing else; none at all leaves the sweeps to the poller.
"""

from __future__ import annotations

from typing import Any

from reconcile.schedule import SWEEPS
from tasks.queues import QueueName, TaskName, hint


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return the schedule in Celery's form; a hint that waited for a whole period is dropped, the next one is there."""
    return {
        f"sweep-{name}": {
            "task": TaskName.SWEEP.value,
            "schedule": sweep.every.total_seconds(),
            "args": (hint(sweep=name),),
            "options": {
                "queue": QueueName.SWEEP.value,
                "expires": max(sweep.every.total_seconds(), 5),
                "retry": False,
                "ignore_result": True,
            },
        }
        for name, sweep in SWEEPS.items()
    }
