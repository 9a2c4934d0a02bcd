"""What a sweep is: a name, how often it runs, and one run that looks for what is overdue and hands it on.

A sweep asks what is overdue now, never what fell due since its last run: it may be skipped, late, or run twice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from config.wiring import Services

#: What one run did, by what it did it to; zero says that it looked and found nothing.
Counts = Mapping[str, int]


class Hands(Protocol):
    """Who does the work that a sweep finds: hints to workers, or the poller's own threads. Each may say no (``False``)."""

    def dispatch(self, lane_id: int) -> bool:
        """Have a turn of the lane taken."""
        ...

    def verify(self, command_id: UUID) -> bool:
        """Have the command's proof looked for."""
        ...

    def notify(self, callback_id: int) -> bool:
        """Have the callback sent."""
        ...

    def look(self, case_id: int) -> bool:
        """Have the chart looked at for the case."""
        ...

    def recheck(self, command_id: UUID) -> bool:
        """Have a settled write looked at again."""
        ...

    def inquire(self, command_id: UUID) -> bool:
        """Have the EHR asked whether its staff accepted a write."""
        ...

    def complete(self, command_id: UUID) -> bool:
        """Have an incomplete command looked at, whether its rest may be sent."""
        ...

    def reread(self, entry_id: int) -> bool:
        """Have an entry read that somebody says was changed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One sweep: ``run_once(services, hands)`` every ``every``."""

    name: str
    every: timedelta
    run_once: Callable[[Services, Hands], Counts]
