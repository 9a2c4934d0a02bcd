"""A server that owns one data directory: locked while it runs, started once, ended cleanly or as by a crash."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import ClassVar, Self

from processes.data_directory import DataDirectoryLock, private_directory
from processes.server_process import ServerProcess


class DataServer(ABC):
    """Base of the embedded servers; a subclass says how it is launched and asked to end.

    Args:
        name: what to call it in messages and its log file.
        data_dir: kept between starts; made when missing.
    """

    #: The signals that ask it to end, each with the time it is given.
    stop_steps: ClassVar[Sequence[tuple[Signals, timedelta]]]

    def __init__(self, name: str, data_dir: Path) -> None:
        self._home = data_dir.absolute()
        self._lock = DataDirectoryLock(self._home)
        self._process = ServerProcess(name, self._home / f"{name.lower()}.log")

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        return self._process.log_path

    def start(self) -> None:
        """Start it on the data that is there and wait until it answers; nothing happens while it runs.

        Raises:
            DataDirectoryInUse: another process runs it; the text says which.
            DidNotStart: the text names the log; data is untouched.
            CannotRunAsRoot: use an existing server instead.
        """
        if self._process.is_running:
            return
        private_directory(self._home)
        self._lock.acquire()
        try:
            self._start_locked()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it cleanly, or by force when it does not end in some seconds."""
        self._process.end(self.stop_steps)
        self._lock.release()

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._lock.release()

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _start_locked(self) -> None:
        """Launch it on the directory that is now ours, and return when it answers."""
