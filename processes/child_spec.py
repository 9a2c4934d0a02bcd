"""What a supervised child is to be, how its ends are treated, and what can be shown about it; it starts nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to run and how to treat it.

    Args:
        name: names it in messages and its log file; unique among its siblings.
        argv: the command line.
        env: added to our own environment.
        ready: whether it serves; the next child is started after that. None: as soon as it was started.
        stop_grace: how long it may take after SIGTERM, before it is killed.
        restart: whether it is started again when it ends unasked.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    stop_grace: timedelta = timedelta(seconds=30)
    restart: bool = True


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a child that keeps ending is started again: doubling, but capped.

    Args:
        first: before the first restart; short, since most ends are single accidents.
        cap: no wait is longer, so that a repaired cause is noticed soon.
        healthy_after: a child which lived so long starts counting from the first again.
    """

    first: timedelta = timedelta(milliseconds=500)
    cap: timedelta = timedelta(seconds=15)
    healthy_after: timedelta = timedelta(seconds=30)

    def before_restart(self, ends_in_a_row: int) -> timedelta:
        """How long to wait after the n-th end in a row; n counts from 1."""
        doublings = min(ends_in_a_row - 1, 30)
        return min(self.cap, self.first * (1 << doublings))


class ChildState(StrEnum):
    """What a child is doing."""

    RUNNING = "running"
    #: It ended unasked and will be started again.
    BACKING_OFF = "backing off"
    #: It is not running and will not be started again.
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class ChildStatus:
    """What can be shown about a child; `last_exit` is a status, or minus the signal that ended it."""

    name: str
    state: ChildState
    pid: int | None
    restarts: int
    last_exit: int | None
    log_path: Path
