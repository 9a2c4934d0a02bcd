"""The Celery application: every setting with its reason. Not the tasks themselves, which ``celery_tasks.py`` registers.

There is no ``countdown``, ``eta`` or ``self.retry`` anywhere: when something is due is a column of the database
(``commands.due_at``). A delayed message sits in a worker's memory, is doubled when it outlives the visibility timeout, and
is gone when Redis is emptied.
"""

from __future__ import annotations

import os
import warnings
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.platforms import SecurityWarning
from kombu.entity import Queue

from canonical.errors import ConfigurationError
from tasks.queues import QueueName

if TYPE_CHECKING:
    from config.settings import Settings


class Role(StrEnum):
    """What a process that uses Celery is for."""

    #: Publishes hints inside somebody's request: it must fail fast.
    PRODUCER = "producer"
    #: Works on hints: dispatch, verify, looks at the chart for cases, sweeps.
    DISPATCH = "dispatch"
    #: Tells apps: apart from dispatch, since a receiver that is silent keeps a thread waiting.
    NOTIFY = "notify"
    #: Takes what apps enqueue to us.
    RECEIVE = "receive"
    #: Publishes the sweeps' hints on time.
    SCHEDULER = "scheduler"
    #: Shows what the workers do.
    FLOWER = "flower"


CONSUMES: dict[Role, tuple[QueueName, ...]] = {
    Role.DISPATCH: (QueueName.DISPATCH, QueueName.VERIFY, QueueName.REVIEW, QueueName.SWEEP),
    Role.NOTIFY: (QueueName.NOTIFY,),
    Role.RECEIVE: (QueueName.RECEIVE,),
}

#: Seconds. Longer than receiving one message can take, with PostgreSQL away: an earlier redelivery would only be a repeat.
VISIBILITY_TIMEOUT = 60


def check_broker(settings: Settings) -> None:
    """Raise ``ConfigurationError`` when no Redis is named: Celery would look for another broker on this machine."""
    if not settings.redis_url:
        raise ConfigurationError("WRITEBACK_REDIS_URL is empty: nothing was started.")


def make_celery(settings: Settings, *, role: Role) -> Celery:
    """Return the application for ``role``; nothing is opened and no task is registered yet."""
    app = Celery("writeback", broker=settings.redis_url, set_as_current=role is not Role.PRODUCER)
    app.conf.update(_COMMON)
    app.conf.update(
        task_queues=[Queue(name.value) for name in QueueName],  # type: ignore[no-untyped-call]
        broker_transport_options=_transport_options(settings, role),
    )
    if role in _IMPATIENT:
        app.conf.update(_FAILING_FAST)
    if role is Role.RECEIVE:
        app.conf.update(_receiving(settings))
    return app


_COMMON: dict[str, Any] = {
    # State lives in PostgreSQL; a result in Redis would be a second copy of it, and chords would depend on it.
    "task_ignore_result": True,
    # The database is the acknowledgement: late ones only add repeats after a reset or a visibility timeout.
    "task_acks_late": False,
    # A message that keeps killing its worker must not loop; attempts are counted in PostgreSQL.
    "task_reject_on_worker_lost": False,
    # A hint is optional: retrying it would keep somebody waiting, and a retried LPUSH is a doubled one.
    "task_publish_retry": False,
    "task_default_queue": QueueName.DISPATCH.value,
    # A misspelled queue must fail here, not fill a list that nobody reads.
    "task_create_missing_queues": False,
    # Whoever reaches the broker may enqueue: no format that can carry code.
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    # Fairness, and the fewest hints die with a worker.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    # SIGTERM lets running turns end, however long; SIGQUIT gives them this long: no release makes unknown outcomes.
    "worker_soft_shutdown_timeout": 25,
    # Ending a task in mid-request would make its outcome unknown.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Redis may come later than we, and may be away for long: never give up.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_connection_timeout": 3,
    # Publishing must not wait for ever for a free connection.
    "broker_pool_acquire_timeout": 2,
    # Flower lives on events; they carry ids only (``withheld.py`` sees to it).
    "worker_send_task_events": True,
    "task_send_sent_event": False,
    # Our logging is set up by ``config.logging``, which lets no argument through.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "timezone": "UTC",
    "enable_utc": True,
    # Sweeps are seconds apart; the default loop looks every five minutes.
    "beat_max_loop_interval": 5,
    # What is overdue is asked of the database at every run, so when a sweep last ran needs no file.
    "beat_scheduler": "celery.beat:Scheduler",
}

#: Who only publishes: somebody waits for it, or its other work does.
_IMPATIENT = frozenset({Role.PRODUCER, Role.SCHEDULER})
_FAILING_FAST: dict[str, Any] = {
    "broker_connection_timeout": 0.3,
    "broker_pool_acquire_timeout": 0.3,
    # As many as a door has threads: waiting for a free connection must not look like an outage.
    "broker_pool_limit": 64,
}


def _transport_options(settings: Settings, role: Role) -> dict[str, Any]:
    options: dict[str, Any] = {
        # Several installations may share one Redis.
        "global_keyprefix": settings.key_prefix,
        # Without these a half-open connection is never noticed, and publishing into a black hole never returns.
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 5,
        # Redis holds hints only: no unacknowledged copies, no visibility timeout, no restoring, nothing to be doubled.
        "ack_emulation": False,
    }
    if role in _IMPATIENT:
        options |= {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "max_retries": 0}
    if role is Role.RECEIVE:
        options |= {
            # Here the message is the only copy: it is kept until it is stored, and given again if we die first.
            "ack_emulation": True,
            "visibility_timeout": VISIBILITY_TIMEOUT,
            # By default a lost message comes back after 100 s, whatever the visibility timeout is.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        }
    return options


def _receiving(settings: Settings) -> dict[str, Any]:
    return {
        "task_acks_late": True,
        # A message that no task can be made of must be kept as refused, not discarded with a log line of its body.
        "worker_consumer": "tasks.keeping_consumer:KeepingConsumer",
        # The sender may ask what became of its message: id and status, for a short while, through a backend of its own.
        "result_backend": settings.redis_url,
        "result_expires": settings.result_expires,
        "result_backend_transport_options": {
            "global_keyprefix": settings.key_prefix,
            "retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
        },
        "redis_socket_timeout": 2,
        "redis_socket_connect_timeout": 2,
        "redis_retry_on_timeout": False,
    }


def run_worker(settings: Settings, role: str, threads: int | None = None) -> None:
    """Work on the queues of ``role`` (``dispatch``, ``notify`` or ``receive``) with ``threads`` (count) until SIGTERM.

    On SIGTERM running turns are finished and nothing new is begun. Raises ``ConfigurationError`` and
    ``StoreUnavailableError`` at the start, before anything is taken.
    """
    from config import wiring
    from tasks.celery_tasks import register

    wiring.start(settings)
    role = Role(role)
    # In a container root is the usual user, and these queues carry ids and signed messages, no code.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app = make_celery(settings, role=role)
    register(app, role)
    try:
        app.start(
            argv=[
                "--quiet",
                "worker",
                # Threads: what a worker does is to wait for EHRs and PostgreSQL.
                "--pool=threads",
                f"--concurrency={threads or settings.worker_threads}",
                f"--queues={','.join(CONSUMES[role])}",
                f"--hostname={role}-{os.getpid()}@%h",
                "--without-gossip",
                "--without-mingle",
                f"--loglevel={settings.log_level}",
            ]
        )
    finally:
        wiring.stop()


def run_flower(settings: Settings, address: str = "127.0.0.1", port: int = 5555, *, login: str = "") -> None:
    """Show workers and tasks at ``address:port`` until SIGTERM, to ``login`` (``user:password``) only and read-only.

    Without a ``login`` one is made and kept in ``flower.login`` (mode 0600) in the data directory. Flower's own metrics
    and health pages need no login, so ``address`` should stay on this machine; people come through a proxy.
    Raises ``ConfigurationError`` when no Redis is named.
    """
    from config.logging import configure_logging
    from tasks.flower_login import flower_login

    check_broker(settings)
    configure_logging(settings.log_level)
    app = make_celery(settings, role=Role.FLOWER)
    app.start(
        argv=[
            "flower",
            f"--address={address}",
            f"--port={port}",
            f"--basic_auth={login or flower_login(settings.data_dir)}",
            # Whoever logs in may look: no task is run, revoked or purged from here, no worker shut down.
            "--read_only=True",
            # Its file is a pickle of what it saw; everything that matters is in PostgreSQL.
            "--persistent=False",
            # Nothing is read from a file that happens to lie in the working directory.
            f"--conf={os.devnull}",
        ]
    )
