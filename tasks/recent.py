"""A value that costs a scan, computed at most once in a while however many ask. Not a cache of anything that decides."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Generic, TypeVar

from canonical.errors import StoreUnavailableError

Value = TypeVar("Value")

#: How long a caller waits for the very first value; later ones are given what was known last, at once.
PATIENCE = timedelta(seconds=2)


@dataclass(frozen=True)
class _Outcome(Generic[Value]):
    value: Value | None
    at: float

    def said(self) -> Value:
        if self.value is None:
            raise StoreUnavailableError
        return self.value


class Recent(Generic[Value]):
    """Gives what ``compute`` returned, at most ``life`` old; one caller computes, and nobody queues behind it.

    That the store could not be reached is remembered as long as a value: the next to ask must not wait for it again.
    While somebody computes, others get the last outcome, however old.
    """

    def __init__(self, compute: Callable[[], Value], *, life: timedelta, patience: timedelta = PATIENCE) -> None:
        """Compute nothing yet; ``patience`` is the longest wait for a first value."""
        self._compute, self._life, self._patience = compute, life.total_seconds(), patience.total_seconds()
        self._lock = Lock()
        self._last: _Outcome[Value] | None = None

    def get(self) -> Value:
        """Return the value; raises ``StoreUnavailableError`` and whatever else ``compute`` raises."""
        last = self._last
        if last is not None and self._is_fresh(last):
            return last.said()
        if not self._lock.acquire(timeout=0 if last is not None else self._patience):
            if last is None:
                raise StoreUnavailableError
            return last.said()
        try:
            last = self._last
            if last is None or not self._is_fresh(last):
                last = self._last = self._computed()
        finally:
            self._lock.release()
        return last.said()

    def _is_fresh(self, outcome: _Outcome[Value]) -> bool:
        return time.monotonic() - outcome.at <= self._life

    def _computed(self) -> _Outcome[Value]:
        try:
            value: Value | None = self._compute()
        except StoreUnavailableError:
            value = None
        return _Outcome(value, time.monotonic())
