"""Waiting until something is true; not a pause of a fixed length."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

LOOK_AGAIN = timedelta(milliseconds=10)


def wait_until(condition: Callable[[], bool], *, within: timedelta, look_again: timedelta = LOOK_AGAIN) -> bool:
    """Look until `condition()` is true or the time is over.

    Returns:
        Whether it became true. What the condition raises comes through.
    """
    pause = threading.Event()
    end = time.monotonic() + within.total_seconds()
    while not condition():
        if time.monotonic() >= end:
            return False
        pause.wait(look_again.total_seconds())
    return True
