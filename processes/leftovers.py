"""Processes that still live in a data directory after their parent died; not those of another machine."""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from processes.condition import wait_until
from processes.errors import DataDirectoryInUse

KILLED_WITHIN = timedelta(seconds=5)


def processes_in(directory: Path) -> frozenset[int]:
    """Ids of the processes whose working directory is `directory`; none where the system has no /proc."""
    if not sys.platform.startswith("linux"):
        return frozenset()
    try:
        there = directory.stat()
    except FileNotFoundError:
        return frozenset()
    return frozenset(
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _works_in(entry, there)
    )


def end_leftovers(directory: Path, *, ask: signal.Signals, grace: timedelta) -> None:
    """Ask what is left in `directory` to end, then kill it; only for whoever holds the directory's lock.

    Raises:
        DataDirectoryInUse: something cannot be ended.
    """
    if _gone(directory, ask, within=grace) or _gone(directory, signal.SIGKILL, within=KILLED_WITHIN):
        return
    left = ", ".join(str(pid) for pid in sorted(processes_in(directory)))
    raise DataDirectoryInUse(f"{directory} is still used by processes {left}, which do not end. End them first.")


def _gone(directory: Path, request: signal.Signals, *, within: timedelta) -> bool:
    for pid in processes_in(directory):
        _send(pid, request)
    return wait_until(lambda: not processes_in(directory), within=within)


def _send(pid: int, request: signal.Signals) -> None:
    try:
        os.kill(pid, request)
    except ProcessLookupError:
        return  # it ended meanwhile, as it should


def _works_in(process: Path, there: os.stat_result) -> bool:
    try:
        return os.path.samestat((process / "cwd").stat(), there)
    except OSError:  # ended meanwhile, or another user's, who could not work in a private directory
        return False
