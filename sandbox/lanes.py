"""Writes that an EHR cannot take at the same time, such as two into one note; not the order of those it can."""

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.answers import Refusal


class Lanes:
    """The lanes that a write is under way in."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    @contextmanager
    def taken(self, lane: str | None, status: int) -> Iterator[None]:
        """Hold a lane while a write is under way.

        Raises:
            Refusal: `status`, another write is under way in it.
        """
        if lane is None:
            yield
            return
        if lane in self._taken:
            raise Refusal(status, "transient", "Another write into the same note is under way.")
        self._taken.add(lane)
        try:
            yield
        finally:
            self._taken.discard(lane)
