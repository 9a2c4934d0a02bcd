"""Staying away for a moment from a Redis that failed, so that its outage costs one request and not every one.

Nothing depends on Redis: while the circuit is open, hints and locks are simply left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

import structlog

log = structlog.get_logger()


@dataclass
class Circuit:
    """Open for ``open_for`` after each failure; then one caller at a time may try again. Thread-safe."""

    open_for: timedelta = timedelta(seconds=5)
    monotonic: Callable[[], float] = time.monotonic
    _closed_again_at: float = 0.0
    _broken: bool = False
    _lock: Lock = field(default_factory=Lock)

    def allows(self) -> bool:
        """Return whether Redis may be asked now; after a failure, ``True`` goes to one caller per ``open_for``."""
        with self._lock:
            if not self._broken:
                return True
            if self.monotonic() < self._closed_again_at:
                return False
            # The others stay away until this one reports back.
            self._closed_again_at = self.monotonic() + self.open_for.total_seconds()
            return True

    def failed(self, error: Exception) -> None:
        """Note that Redis did not answer."""
        with self._lock:
            first, self._broken = not self._broken, True
            self._closed_again_at = self.monotonic() + self.open_for.total_seconds()
        if first:
            log.warning(
                "Redis does not answer; writes go on without it", action="redis.away", error=type(error).__name__
            )

    def succeeded(self) -> None:
        """Note that Redis answered."""
        with self._lock:
            was_broken, self._broken = self._broken, False
        if was_broken:
            log.info("Redis answers again", action="redis.back")
