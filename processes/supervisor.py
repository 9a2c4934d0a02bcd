"""Keeps a list of children running: starts them in order, restarts what ends, stops them in reverse order."""

import signal
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from processes.child import Child
from processes.child_spec import Backoff, ChildSpec, ChildState, ChildStatus
from processes.condition import wait_until
from processes.data_directory import private_directory
from processes.errors import DidNotStart

__all__ = ["Backoff", "ChildSpec", "ChildState", "ChildStatus", "Supervisor"]

READY_WITHIN = timedelta(seconds=60)
MEANWHILE_EVERY = timedelta(seconds=1)


class Supervisor:
    """The children of one command, with a log file for each.

    Args:
        children: started in this order, each when the one before is ready.
        log_dir: gets `<name>.log` of each, appended from run to run.
        backoff: how long a child which keeps ending has to wait.
        ready_within: how long a child may take to be ready for the first time.
    """

    def __init__(
        self,
        children: Sequence[ChildSpec],
        log_dir: Path,
        *,
        backoff: Backoff | None = None,
        ready_within: timedelta = READY_WITHIN,
    ) -> None:
        self._log_dir = log_dir
        self._ready_within = ready_within
        self._children = {
            spec.name: Child(spec, log_path=log_dir / f"{spec.name}.log", backoff=backoff or Backoff())
            for spec in children
        }
        if len(self._children) != len(children):
            raise ValueError("two children have the same name")

    def start(self) -> None:
        """Start all children.

        Raises:
            DidNotStart: one ended or was silent; those before it have been stopped again.
        """
        private_directory(self._log_dir)
        try:
            for child in self._children.values():
                child.start()
                self._await_ready(child)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all children, the last one first; each has its grace, then it is killed."""
        for child in reversed(self._children.values()):
            child.stop()

    def wait(self, *, meanwhile: Callable[[], None] | None = None) -> signal.Signals:
        """Wait for SIGINT or SIGTERM and say which came; only in the main thread.

        Args:
            meanwhile: called about every second, for example `EmbeddedServers.revive`; its errors come through.
        """
        came: list[signal.Signals] = []
        told = threading.Event()

        def note(number: int, _frame: FrameType | None) -> None:
            came.append(signal.Signals(number))
            told.set()

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not told.wait(MEANWHILE_EVERY.total_seconds()):
                if meanwhile is not None:
                    meanwhile()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return came[0]

    def status(self) -> list[ChildStatus]:
        return [child.status for child in self._children.values()]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one child and to what it has started; SIGKILL counts as an unexpected end.

        Raises:
            KeyError: no child has this name.
            ProcessLookupError: it is not running now.
        """
        self._children[name].signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await_ready(self, child: Child) -> None:
        ready = child.spec.ready
        if ready is None:
            return
        wait_until(lambda: child.status.last_exit is not None or ready(), within=self._ready_within)
        status = child.status
        if status.last_exit is not None or not ready():
            ended = status.last_exit
            how = "was not ready in time" if ended is None else f"ended with status {ended}"
            raise DidNotStart(f"{status.name} {how}. What ran was stopped again; see {status.log_path}.")
