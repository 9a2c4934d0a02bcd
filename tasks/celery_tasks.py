"""The Celery tasks: what each queue's message makes a worker do. Thin: load, call, hint again; only ids in and out.

Collaborators come from ``config.wiring`` inside the functions, so that importing this opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery import Celery
from celery.signals import setup_logging, task_prerun
from prometheus_client import Counter

from canonical.errors import StoreUnavailableError
from tasks.app import CONSUMES, Role
from tasks.queues import QUEUE_OF, TaskName, is_known

log = structlog.get_logger()

HINTS_IGNORED = Counter("writeback_hints_ignored", "Hints in a form that this release does not know.", ["task"])


def dispatch(message: dict[str, Any]) -> None:
    """Take one turn of a lane; hint again only if more is due and nobody else is at it."""
    from config.wiring import services

    lane_id = int(message["lane"])
    structlog.contextvars.bind_contextvars(lane=lane_id)
    if services().dispatcher.run(lane_id):
        services().hints.dispatch(lane_id)


def verify(message: dict[str, Any]) -> None:
    """Look once for the proof of a command."""
    from config.wiring import services

    report = services().verifier.run(UUID(message["command"]))
    if report.followers and report.lane_id is not None:
        services().hints.dispatch(report.lane_id)


def notify(message: dict[str, Any]) -> None:
    """Send one callback, if it is still due."""
    from config.wiring import services

    services().notifier.run(int(message["callback"]))


def look(message: dict[str, Any]) -> None:
    """Look at the chart for one case, if nobody has just done so."""
    from config.wiring import services

    services().conflict_engine.run(int(message["case"]))


def recheck(message: dict[str, Any]) -> None:
    """Look once at a settled write, if it was handed out and nobody took it."""
    from config.wiring import services

    services().drift_look.run(UUID(message["command"]))


def inquire(message: dict[str, Any]) -> None:
    """Ask once whether the EHR's staff accepted a write, if it is due and nobody has just asked."""
    from config.wiring import services

    services().acceptance_look.run(UUID(message["command"]))


def complete(message: dict[str, Any]) -> None:
    """Look once at a command of which a part is in the chart, and have the rest sent where that is proven to be safe."""
    from config.wiring import services

    services().incomplete_look.run(UUID(message["command"]))


def reread(message: dict[str, Any]) -> None:
    """Read once an entry that somebody says was changed, if it is due and nobody has just done so."""
    from config.wiring import services

    services().echo_look.run(int(message["entry"]))


def sweep(message: dict[str, Any]) -> None:
    """Run one sweep by name."""
    from config.wiring import services
    from reconcile.schedule import sweep as run_sweep

    run_sweep(str(message["sweep"]), services(), services().hints)


class HintFailedError(Exception):
    """A hint's task met a defect, which our log names by type and place; the sweeps find the work again."""


#: Adding a task is a function, a line here, and its name and queue in ``queues.py``.
HINT_TASKS: dict[TaskName, Callable[[dict[str, Any]], None]] = {
    TaskName.DISPATCH: dispatch,
    TaskName.VERIFY: verify,
    TaskName.NOTIFY: notify,
    TaskName.LOOK: look,
    TaskName.RECHECK: recheck,
    TaskName.INQUIRE: inquire,
    TaskName.COMPLETE: complete,
    TaskName.REREAD: reread,
    TaskName.SWEEP: sweep,
}


def understood(name: TaskName, work: Callable[[dict[str, Any]], None]) -> Callable[[object], None]:
    """Return ``work`` as a task that ignores what it does not know and gives up, quietly, when PostgreSQL is away.

    A hint may be lost with no effect but latency; so may one that an older or newer release wrote. A defect fails the
    task as :class:`HintFailedError`, because Celery sends an exception's text to whoever listens to its events.
    """

    def task(message: object = None) -> None:
        if not is_known(message):
            HINTS_IGNORED.labels(name.value).inc()
            log.warning("a hint in an unknown form was ignored", action="hint.ignored")
            return
        assert isinstance(message, dict)  # noqa: S101 - is_known says so
        try:
            work(message)
        except StoreUnavailableError:
            log.warning("PostgreSQL is away; the sweeps will find the work", action="store.away")
        except Exception as error:
            log.error("a hint's task failed; the sweeps will find the work", action="hint.failed", exc_info=error)
            raise HintFailedError("the service's log names the defect") from None

    return task


def register(app: Celery, role: Role) -> None:
    """Give ``app`` the tasks of ``role``, and this process our logging."""
    setup_logging.connect(_keep_our_logging, weak=False, dispatch_uid="writeback-logging")
    task_prerun.connect(_begin_log_context, weak=False, dispatch_uid="writeback-log-context")
    for name, work in HINT_TASKS.items():
        if QUEUE_OF[name] in CONSUMES.get(role, ()):
            # Not shared: Celery would give the task to every application of the process.
            app.task(understood(name, work), name=name.value, ignore_result=True, shared=False)
    if role is Role.RECEIVE:
        from tasks.receive_message import register_receive

        register_receive(app)


def _keep_our_logging(**_ignored: Any) -> None:
    """Connected, it keeps Celery from setting up logging of its own, which would print arguments."""


def _begin_log_context(task_id: str, task: Any, **_ignored: Any) -> None:
    """Start each task with an empty log context: a thread would carry one command's ids into the next one's lines."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)
