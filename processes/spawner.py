"""Starting children whose lives end with ours; it neither watches nor stops them.

Linux sends the parent-death signal when the *thread* that started the child ends. Every child is therefore
started by one thread that lives as long as the process.
"""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import IO

LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, kw_only=True)
class Spawn:
    """What to start: the words of its command line, and how it is tied to us."""

    argv: Sequence[str]
    output: IO[bytes] | int = subprocess.DEVNULL
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    death_signal: Signals = SIGKILL
    identity: Sequence[str] = field(default=())
    """Words for the leash which say as whom the program runs: none, `--namespace`, or `--user NAME`."""


def leashed(spawn: Spawn) -> list[str]:
    """The command line which runs `spawn.argv` under the leash of this process."""
    return [
        *(sys.executable, "-I", "-S", str(LEASH)),
        *("--parent", str(os.getpid()), "--death-signal", str(int(spawn.death_signal))),
        *spawn.identity,
        "--",
        *spawn.argv,
    ]


def spawn_process(spawn: Spawn) -> subprocess.Popen[bytes]:
    """Start a child, in a session of its own, which gets `death_signal` however this process ends.

    Raises:
        OSError: the interpreter could not be started. A program that cannot be run ends with status 126.
    """
    return _thread_of_this_process().start_child(spawn)


class _SpawnerThread:
    def __init__(self) -> None:
        self.process = os.getpid()
        self._orders: queue.SimpleQueue[tuple[Spawn, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="spawner", daemon=True).start()

    def start_child(self, spawn: Spawn) -> subprocess.Popen[bytes]:
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((spawn, answer))
        return answer.result()

    def _serve(self) -> None:
        while True:
            spawn, answer = self._orders.get()
            try:
                answer.set_result(_popen(spawn))
            except BaseException as error:  # noqa: BLE001 - raised again where the child was asked for
                answer.set_exception(error)


def _popen(spawn: Spawn) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        leashed(spawn),
        stdin=subprocess.DEVNULL,
        stdout=spawn.output,
        stderr=subprocess.STDOUT,
        env=spawn.env,
        cwd=spawn.cwd,
        start_new_session=True,
    )


_lock = threading.Lock()
_threads: list[_SpawnerThread] = []


def _thread_of_this_process() -> _SpawnerThread:
    with _lock:
        if not _threads or _threads[-1].process != os.getpid():  # a fork takes no threads along
            _threads.append(_SpawnerThread())
        return _threads[-1]
