"""Whether PostgreSQL admits as many sessions as this installation may open; checked before anything is accepted."""

from __future__ import annotations

from sqlalchemy import Engine

from canonical.errors import ConfigurationError
from config.settings import Settings

#: Processes with a pool beside the workers: API, notifier, receiver, scheduler, poller.
_OTHERS = 5


def sessions_wanted(settings: Settings) -> int:
    """Return how many sessions the processes of one installation may open together.

    A lane turn keeps one session of its own while it sends, for each thread of the workers and of the poller; every
    process has a pool beside that.
    """
    lanes = settings.worker_threads * (settings.worker_processes + 1)
    pools = settings.pool_size * (settings.worker_processes + _OTHERS)
    return lanes + pools


def check_session_budget(engine: Engine, settings: Settings) -> None:
    """Pass only if PostgreSQL admits them; raises ``ConfigurationError`` with both numbers and what to change.

    Without it the last worker to start would fail in the middle of the night, on the busiest day.
    """
    with engine.connect() as connection:
        admitted = int(connection.exec_driver_sql("SHOW max_connections").scalar_one())
        kept = int(connection.exec_driver_sql("SHOW superuser_reserved_connections").scalar_one())
    wanted = sessions_wanted(settings)
    if wanted > admitted - kept:
        raise ConfigurationError(
            f"These processes may open {wanted} database sessions, and PostgreSQL admits {admitted - kept}. Lower "
            "WRITEBACK_WORKER_THREADS, WRITEBACK_WORKER_PROCESSES or WRITEBACK_POOL_SIZE, or raise max_connections."
        )
