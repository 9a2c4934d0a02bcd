"""Where an embedded server keeps its data: private, and used by one process at a time."""

import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from processes.errors import DataDirectoryInUse, ProcessTrouble

SOCKET_PATH_LIMIT = 100
"""Bytes; the kernels we run on allow 104 to 108."""
LONGEST_SOCKET_NAME = "/.s.PGSQL.65535.lock"


def private_directory(path: Path, *, owner: int | None = None) -> Path:
    """Make `path` (and its parents) so that only its owner, by default this user, may enter it.

    Raises:
        ProcessTrouble: somebody else owns it, so what is put there would be theirs to read.
    """
    owner = os.geteuid() if owner is None else owner
    if not path.exists():
        path.mkdir(mode=0o700, parents=True)
        os.chown(path, owner, -1)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner:
        raise ProcessTrouble(f"{path} is not a directory of ours. Nothing was put there; remove it or use another.")
    path.chmod(0o700)
    return path


def short_name(data_dir: Path) -> str:
    """A name for what belongs to `data_dir` but stands elsewhere: always the same, and nobody else's."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return f"writeback-{os.geteuid()}-{digest}"


def socket_directory(data_dir: Path) -> Path:
    """Where the sockets for `data_dir` stand: the same at every start, and short enough for a socket."""
    beside = data_dir / "run"
    if len(os.fsencode(beside)) + len(LONGEST_SOCKET_NAME) < SOCKET_PATH_LIMIT:
        return beside
    name = short_name(data_dir)
    temporary = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(temporary)) + len(LONGEST_SOCKET_NAME) < SOCKET_PATH_LIMIT:
        return temporary
    return Path("/tmp") / name  # noqa: S108 - private_directory() refuses one that another user has put there


class DataDirectoryLock:
    """Holds a data directory for this process; the kernel lets go of it however the process ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "writeback.lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the directory.

        Raises:
            DataDirectoryInUse: another process has it; the text names its process id.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"{self._path.parent} is in use by process {holder}. Nothing was changed. "
                "Stop that process, or give another data directory."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
