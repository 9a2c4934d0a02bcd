"""Moving one lane along and proving at once what it wrote; the same for a Celery hint and for the poller.

The proof is tried right after the turn, outside the lane's lock: one hint less for each write, and what waits behind it
goes on sooner. What cannot be proven yet is looked for again by the sweep of unproven commands.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from tasks.locks import Grip
from tasks.turn import TurnReport
from tasks.verify import VerifyReport


class TakesTurns(Protocol):
    """What moves the commands of one lane (:class:`tasks.turn.LaneTurn`)."""

    def run(self, lane_id: int) -> TurnReport:
        """Take one turn."""
        ...


class Verifies(Protocol):
    """What proves one command (:class:`tasks.verify.Verifier`)."""

    def run(self, command_id: UUID) -> VerifyReport:
        """Look once."""
        ...


class Stumbles(Protocol):
    """What remembers lanes that stay due without an attempt."""

    def forget_stumbles(self, lane_id: int) -> None:
        """Note that a turn of the lane came back alive: nothing in it kills its worker."""
        ...


@dataclass(frozen=True, kw_only=True)
class Dispatcher:
    """Takes turns of lanes; ``lock`` keeps other workers from the same lane, and may say nothing at all."""

    turn: TakesTurns
    verifier: Verifies
    stumbles: Stumbles
    lock: Callable[[int], AbstractContextManager[Grip]]

    def run(self, lane_id: int) -> bool:
        """Take one turn of ``lane_id``; ``True``: more is due there now, hint again.

        Raises ``StoreUnavailableError`` when PostgreSQL is gone: nothing is lost, the sweeps find it again.
        """
        with self.lock(lane_id) as grip:
            if not grip.free:
                # Whoever is at it learns that we came, and looks for more before going.
                return False
            report = self.turn.run(lane_id)
        if report.locked:
            return False
        if not report.moved:
            self.stumbles.forget_stumbles(lane_id)
        proven = [self.verifier.run(UUID(command)) for command in report.applied]
        return report.more or grip.knocked or any(found.followers for found in proven)
