"""Dispatch and sweeps in one plain process that needs no Redis: beside the workers it finds what hints missed.

With Redis away it is what keeps writes going; it asks PostgreSQL what is due, and works in threads of its own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from canonical.errors import StoreUnavailableError
from reconcile.schedule import SWEEPS
from reconcile.schedule import run as run_sweep
from reconcile.sweep import Sweep
from tasks.locks import Grip

if TYPE_CHECKING:
    from config.settings import Settings
    from config.wiring import Services

log = structlog.get_logger()

#: Seconds between two tries while PostgreSQL is away.
PACE = 1.0
#: Callbacks have threads of their own: an app whose receiver is silent must not keep a clinical write waiting.
NOTIFY_THREADS = 2
#: Looks at the chart for cases, too: they only read, and an EHR that is slow to read must not keep writes to others waiting.
LOOK_THREADS = 1
#: Work handed out beyond what the threads are at: enough to keep them busy until the next sweep.
QUEUED_PER_THREAD = 8


class _Crew:
    """Some threads, and what they are at or have queued: a bounded number, each thing once."""

    def __init__(self, threads: int, name: str) -> None:
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.most = threads * (1 + QUEUED_PER_THREAD)
        self.under_way: set[object] = set()


class Workers:
    """Threads that do what a sweep finds (:class:`reconcile.sweep.Hands`); the same thing is never done twice at once."""

    def __init__(self, services: Services, *, threads: int) -> None:
        """Start no thread yet."""
        self._services = services
        # PostgreSQL decides who holds a lane; this process must not need Redis to find out.
        self._dispatcher = replace(services.dispatcher, lock=_no_lock)
        self._writers = _Crew(threads, "poller")
        self._notifiers = _Crew(NOTIFY_THREADS, "poller-notify")
        self._lookers = _Crew(LOOK_THREADS, "poller-look")
        self._lock = Lock()
        self._closing = False

    def dispatch(self, lane_id: int) -> bool:
        return self._take_on(self._writers, ("lane", lane_id), lambda: self._turn(lane_id))

    def verify(self, command_id: UUID) -> bool:
        return self._take_on(self._writers, ("command", command_id), lambda: self._verify(command_id))

    def notify(self, callback_id: int) -> bool:
        return self._take_on(
            self._notifiers, ("callback", callback_id), lambda: self._services.notifier.run(callback_id)
        )

    def look(self, case_id: int) -> bool:
        return self._take_on(self._lookers, ("case", case_id), lambda: self._services.conflict_engine.run(case_id))

    def recheck(self, command_id: UUID) -> bool:
        return self._take_on(self._lookers, ("settled", command_id), lambda: self._services.drift_look.run(command_id))

    def inquire(self, command_id: UUID) -> bool:
        work = self._services.acceptance_look.run
        return self._take_on(self._lookers, ("waiting", command_id), lambda: work(command_id))

    def complete(self, command_id: UUID) -> bool:
        work = self._services.incomplete_look.run
        return self._take_on(self._lookers, ("incomplete", command_id), lambda: work(command_id))

    def reread(self, entry_id: int) -> bool:
        return self._take_on(self._lookers, ("entry", entry_id), lambda: self._services.echo_look.run(entry_id))

    def close(self) -> None:
        """Finish what is under way, drop what is only queued (it stays due), and end the threads."""
        with self._lock:
            self._closing = True
        for crew in (self._writers, self._notifiers, self._lookers):
            crew.threads.shutdown(wait=True, cancel_futures=True)

    def _turn(self, lane_id: int) -> None:
        while self._dispatcher.run(lane_id) and not self._closing:
            continue

    def _verify(self, command_id: UUID) -> None:
        report = self._services.verifier.run(command_id)
        if report.followers and report.lane_id is not None:
            self.dispatch(report.lane_id)

    def _take_on(self, crew: _Crew, what: object, work: Callable[[], Any]) -> bool:
        with self._lock:
            if self._closing or what in crew.under_way or len(crew.under_way) >= crew.most:
                return False
            crew.under_way.add(what)
            crew.threads.submit(self._do, crew, what, work)
        return True

    def _do(self, crew: _Crew, what: object, work: Callable[[], Any]) -> None:
        structlog.contextvars.clear_contextvars()
        try:
            work()
        except StoreUnavailableError:
            log.warning("PostgreSQL is away; the sweeps will find the work", action="store.away")
        except Exception as error:
            # The thread goes on: one command's trouble must not stop the others, and its sweep comes back to it.
            log.error("work failed", action="poller.failed", work=str(what), exc_info=error)
        finally:
            with self._lock:
                crew.under_way.discard(what)


class Poller:
    """Runs every sweep when it is time, until it is stopped."""

    def __init__(
        self,
        services: Services,
        *,
        threads: int,
        sweeps: Mapping[str, Sweep] = SWEEPS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the services and how many turns may be under way at once (count)."""
        self._services, self._sweeps, self._monotonic = services, sweeps, monotonic
        self._workers = Workers(services, threads=threads)
        self._stopping = Event()
        self._due_at = dict.fromkeys(sweeps, 0.0)

    def run(self) -> None:
        """Sweep and work until :meth:`stop`; returns when all that was under way is finished."""
        try:
            while not self._stopping.is_set():
                self._run_due()
                self._stopping.wait(max(0.0, min(self._due_at.values()) - self._monotonic()))
        finally:
            self._workers.close()

    def stop(self) -> None:
        """Begin nothing more; safe to call from a signal handler or another thread."""
        self._stopping.set()

    def _run_due(self) -> None:
        for name, known in self._sweeps.items():
            if self._due_at[name] > self._monotonic() or self._stopping.is_set():
                continue
            self._due_at[name] = self._monotonic() + known.every.total_seconds()
            try:
                run_sweep(known, self._services, self._workers)
            except StoreUnavailableError:
                log.warning("PostgreSQL is away; waiting for it", action="store.away")
                self._stopping.wait(PACE)


def _no_lock(_lane_id: int) -> AbstractContextManager[Grip]:
    return nullcontext(Grip(free=True))


def run_poller(settings: Settings, threads: int | None = None) -> None:
    """Poll with ``threads`` (count) until SIGTERM or SIGINT; turns under way are finished first.

    Raises ``ConfigurationError`` and ``StoreUnavailableError`` at the start.
    """
    from config import wiring

    poller = Poller(wiring.start(settings), threads=threads or settings.worker_threads)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: poller.stop())
    try:
        poller.run()
    finally:
        wiring.stop()
