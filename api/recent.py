"""A value that costs a scan, computed at most once in a while however many ask. Not a cache of anything that decides."""

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Gives what ``compute`` returned, at most ``life`` old; one caller computes while the others wait for it."""

    def __init__(self, compute: Callable[[], Value], *, life: timedelta) -> None:
        """Compute nothing yet."""
        self._compute, self._life = compute, life.total_seconds()
        self._lock = Lock()
        self._value: Value | None = None
        self._computed_at = 0.0

    def get(self) -> Value:
        """Return the value; raises what ``compute`` raises."""
        with self._lock:
            if self._value is None or time.monotonic() - self._computed_at > self._life:
                self._value, self._computed_at = self._compute(), time.monotonic()
            return self._value
