"""One supervised child: started, watched by its own thread, started again when it ends unasked, stopped."""

import os
import signal
import subprocess
import threading
import time
from datetime import timedelta
from pathlib import Path

import structlog

from processes.child_spec import Backoff, ChildSpec, ChildState, ChildStatus
from processes.spawner import Spawn, spawn_process

log = structlog.get_logger()

REAPED_WITHIN = timedelta(seconds=10)
"""A killed process is gone once the kernel has freed its memory; longer means a stuck disk."""


class Child:
    """The life of one child under its spec."""

    def __init__(self, spec: ChildSpec, *, log_path: Path, backoff: Backoff) -> None:
        self.spec = spec
        self._log_path = log_path
        self._backoff = backoff
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._popen: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._state = ChildState.STOPPED
        self._restarts = 0
        self._last_exit: int | None = None

    @property
    def status(self) -> ChildStatus:
        with self._changing:
            running = self._popen is not None and self._state is ChildState.RUNNING
            return ChildStatus(
                name=self.spec.name,
                state=self._state,
                pid=self._popen.pid if self._popen is not None and running else None,
                restarts=self._restarts,
                last_exit=self._last_exit,
                log_path=self._log_path,
            )

    def start(self) -> None:
        """Start it and watch it from now on.

        Raises:
            OSError: it could not even be tried, for example for want of memory.
        """
        with self._changing:
            self._stopping.clear()
            self._last_exit = None
            popen = self._spawn()
        self._watcher = threading.Thread(target=self._watch, args=(popen,), name=f"watch {self.spec.name}", daemon=True)
        self._watcher.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to the processes it has started.

        Raises:
            ProcessLookupError: it is not running now.
        """
        pid = self.status.pid
        if pid is None:
            raise ProcessLookupError(f"{self.spec.name} is not running")
        os.killpg(pid, number)

    def stop(self) -> None:
        """Ask it to end, kill it after its grace, and start it no more."""
        with self._changing:
            self._stopping.set()
            popen, watcher = self._popen, self._watcher
        if popen is None or watcher is None:
            return
        popen.terminate()
        if popen.poll() is None:
            _send_to_group(popen.pid, signal.SIGCONT)  # a paused process could not hear us
        watcher.join(self.spec.stop_grace.total_seconds())
        if watcher.is_alive():
            _send_to_group(popen.pid, signal.SIGKILL)
            watcher.join(REAPED_WITHIN.total_seconds())

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log_path.open("ab") as output:
            order = Spawn(argv=self.spec.argv, output=output.fileno(), env={**os.environ, **self.spec.env})
            self._popen = spawn_process(order)
        self._state = ChildState.RUNNING
        return self._popen

    def _watch(self, popen: subprocess.Popen[bytes]) -> None:
        current: subprocess.Popen[bytes] | None = popen
        ends_in_a_row = 0
        while current is not None:
            lived = self._await_end(current)
            ends_in_a_row = 1 if lived >= self._backoff.healthy_after else ends_in_a_row + 1
            current = self._start_again(ends_in_a_row)

    def _await_end(self, popen: subprocess.Popen[bytes]) -> timedelta:
        """How long it lived."""
        started = time.monotonic()
        exit_status = popen.wait()
        _send_to_group(popen.pid, signal.SIGKILL)  # what it has started must not work on without it
        with self._changing:
            self._last_exit = exit_status
            again = self.spec.restart and not self._stopping.is_set()
            self._state = ChildState.BACKING_OFF if again else ChildState.STOPPED
        if again:
            log.warning("a child ended unasked", action="child.end", child=self.spec.name, status=exit_status)
        return timedelta(seconds=time.monotonic() - started)

    def _start_again(self, ends_in_a_row: int) -> subprocess.Popen[bytes] | None:
        """The new process after its wait, or None when it is to run no more."""
        while self.spec.restart:
            self._stopping.wait(self._backoff.before_restart(ends_in_a_row).total_seconds())
            with self._changing:
                if self._stopping.is_set():
                    break
                try:
                    popen = self._spawn()
                except OSError as error:  # the machine lacks something; it may have it later
                    log.warning("no restart yet", action="child.restart", child=self.spec.name, errno=error.errno)
                    ends_in_a_row += 1
                else:
                    self._restarts += 1
                    return popen
        with self._changing:
            self._state = ChildState.STOPPED
        return None


def _send_to_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return  # all of it has ended, as it should
