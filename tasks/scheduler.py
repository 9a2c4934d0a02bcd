"""The Celery beat schedule: one hint for each sweep, as often as the sweep says. It runs no sweep and needs no PostgreSQL.

Two schedulers double the hints, which doubles nothing else; none at all leaves the sweeps to the poller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconcile.schedule import SWEEPS
from tasks.app import Role, check_broker, make_celery
from tasks.queues import QueueName, TaskName, hint

if TYPE_CHECKING:
    from config.settings import Settings


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


def run_scheduler(settings: Settings) -> None:
    """Publish the sweeps' hints on time until SIGTERM; any number of schedulers may run beside each other.

    Raises ``ConfigurationError`` when no Redis is named.
    """
    from config.logging import configure_logging
    from config.telemetry import configure_telemetry
    from tasks.celery_tasks import register

    check_broker(settings)
    configure_logging(settings.log_level)
    configure_telemetry(settings)
    app = make_celery(settings, role=Role.SCHEDULER)
    register(app, Role.SCHEDULER)
    app.conf.beat_schedule = beat_schedule()
    app.start(argv=["--quiet", "beat", f"--loglevel={settings.log_level}"])
