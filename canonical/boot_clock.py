"""The clock for deadlines of our own: it goes on while a machine is suspended, so a paused sender notices. Not a time of day."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_seconds() -> float:
    """Return seconds since boot, suspended time included."""
    return time.clock_gettime(_CLOCK)
