"""A server we started: launched until ready, ended step by step, or killed; which one, it does not know."""

import dataclasses
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from processes.condition import wait_until
from processes.errors import DidNotStart
from processes.spawner import Spawn, spawn_process

REAPED_WITHIN = timedelta(seconds=10)
"""A killed process is gone once the kernel has freed its memory; longer means a stuck disk."""


class ServerProcess:
    """The process of a server with one log file.

    Args:
        name: what to call it in messages.
        log_path: where its output is appended.
    """

    def __init__(self, name: str, log_path: Path) -> None:
        self._name = name
        self.log_path = log_path
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._popen.pid if self._popen is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def launch(self, spawn: Spawn, *, ready: Callable[[], bool], within: timedelta) -> None:
        """Start it and wait until `ready()`.

        Raises:
            DidNotStart: it ended or was not ready in time, and runs no more.
        """
        with self._open_log() as log:
            self._popen = spawn_process(dataclasses.replace(spawn, output=log.fileno()))
        wait_until(lambda: not self.is_running or ready(), within=within)
        if not (self.is_running and ready()):
            ended = self._popen.poll()
            self.kill()
            how = "was not ready in time" if ended is None else f"ended at once with status {ended}"
            raise DidNotStart(f"{self._name} {how}: {self._last_words()}. Its data is untouched; see {self.log_path}.")

    def end(self, steps: Sequence[tuple[signal.Signals, timedelta]]) -> None:
        """Ask it to end by each signal in turn, give each its time, and kill it after the last."""
        for step, grace in steps:
            if self._popen is None or not self.is_running:
                return
            self._popen.send_signal(step)
            try:
                self._popen.wait(grace.total_seconds())
            except subprocess.TimeoutExpired:
                continue
        self.kill()

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would, and wait until it is gone."""
        if self._popen is not None and self.is_running:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait(REAPED_WITHIN.total_seconds())

    def _open_log(self) -> BinaryIO:
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "ab")

    def _last_words(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1].strip() if lines else "it said nothing"
