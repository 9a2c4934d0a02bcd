"""What the process tests share: a parent that can be killed, and whether a process still lives."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Parent = Callable[[str], tuple[subprocess.Popen[str], list[int]]]


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


@pytest.fixture
def run_parent() -> Iterator[Parent]:
    """Runs a script that starts children and prints their process ids in one line; ends it after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(script: str) -> tuple[subprocess.Popen[str], list[int]]:
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        started.append(parent)
        assert parent.stdout is not None
        return parent, [int(pid) for pid in parent.stdout.readline().split()]

    yield run
    for parent in started:
        parent.kill()
        parent.communicate()
