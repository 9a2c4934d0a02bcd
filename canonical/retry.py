"""When to try again, as a value; it sleeps for nobody and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from canonical.outcome import Outcome

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Exponential with full jitter: uniform between 0 and min(``cap``, ``base`` × 2^attempts).

    ``retry_after_cap`` bounds what an EHR may ask us to wait.
    """

    base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=5)
    retry_after_cap: timedelta = timedelta(hours=1)

    def delay(self, attempts: int, random: Random) -> timedelta:
        """Return the wait after ``attempts`` (≥ 1) attempts."""
        # 2^30 s is 34 years: no larger exponent changes the minimum with any sane cap.
        ceiling = min(self.cap, self.base * 2 ** min(attempts, 30))
        return timedelta(seconds=random.uniform(0, ceiling.total_seconds()))


@dataclass(frozen=True, kw_only=True)
class TryAgain:
    """Make the command due again at ``due_at`` (UTC)."""

    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class CloseConnection:
    """Close the connection until ``not_before`` (UTC): the fault is not the command's, and costs it no attempt."""

    not_before: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Do not try again; a person looks, because of ``reason``."""

    reason: str


Decision = TryAgain | CloseConnection | Stop

#: The connection's fault, not the command's.
CLOSES_CONNECTION = {
    Outcome.UNAVAILABLE: "outage",
    Outcome.THROTTLED: "throttled",
    Outcome.AUTH: "auth",
}
#: The EHR did nothing, and the same request may succeed later.
PASSES_BY_ITSELF = frozenset({Outcome.LOCKED})


def decide(
    outcome: Outcome,
    *,
    attempts: int,
    budget: int,
    now: datetime,
    retry_after: timedelta | None,
    backoff: Backoff,
    random: Random,
    failures: int = 1,
) -> Decision:
    """Return what follows an outcome that left the chart as it was.

    ``attempts`` counts this command's requests, ``failures`` the connection's failures in a row, ``budget`` the
    attempts allowed; ``retry_after`` is the EHR's wish. ``unknown`` never comes here: it is probed.
    """
    if outcome in CLOSES_CONNECTION:
        wish = min(retry_after, backoff.retry_after_cap) if retry_after is not None else timedelta(0)
        wait = max(wish, backoff.delay(failures, random))
        return CloseConnection(not_before=now + wait, reason=CLOSES_CONNECTION[outcome])
    if outcome in PASSES_BY_ITSELF and attempts < budget:
        return TryAgain(due_at=now + backoff.delay(attempts, random))
    return Stop(reason="attempts-exhausted" if outcome in PASSES_BY_ITSELF else outcome.value.replace("_", "-"))
