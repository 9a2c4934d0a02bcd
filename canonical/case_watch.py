"""The ports of those who watch the review queue: which charts are looked at again, which cases are late, who is alerted.

No SQL, no chart, no words for people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from canonical.case_store import CaseAlert, StoredCase


@dataclass(frozen=True, kw_only=True)
class LateCase:
    """A case past the time at which it goes up; ``level`` is where it stands (0: where it was opened)."""

    id: int
    severity: int
    level: int
    kind: str
    connection: str


class LookList(Protocol):
    """Conflicts whose chart is to be looked at. Thread-safe; each method is one commit, and raises ``StoreUnavailableError``."""

    def due(self, *, limit: int) -> list[int]:
        """Return up to ``limit`` open conflicts to look at, those never looked at first; none that a person has claimed."""
        ...

    def take(self, case_id: int, *, lease: timedelta) -> StoredCase | None:
        """Take a conflict that is due, for one look; it is due again after ``lease``. ``None``: it is not, or somebody did."""
        ...

    def put_off(self, case: StoredCase, *, wait: timedelta) -> None:
        """Have it looked at again after ``wait``, earlier or later than the lease says."""
        ...

    def raise_severity(self, case: StoredCase, *, severity: int, within: timedelta) -> bool:
        """Make a case at least as severe as ``severity`` and due ``within`` of its opening; return whether that changed it."""
        ...


class Alerts(Protocol):
    """Whoever must hear that a case is severe or late. Thin: no patient, no value, nothing that was written about them."""

    def tell(self, alert: CaseAlert) -> None:
        """Tell of the start or the end of one alert; raises nothing, or the alert is told again."""
        ...


class LateList(Protocol):
    """Cases that are late or severe. Thread-safe; each method is one commit, and may raise ``StoreUnavailableError``."""

    def raise_levels(self, *, limit: int, waits: Callable[[int, int], timedelta | None]) -> list[LateCase]:
        """Take up to ``limit`` late cases up by one level and return them as they were.

        ``waits`` gives, by severity and level, how long a case waits there before it goes up (``None``: no further).
        """
        ...

    def begin_alerts(self, *, limit: int, paging: frozenset[int], tell: Callable[[CaseAlert], None]) -> int:
        """Tell, once each, of open cases that are most severe, or late and of a severity in ``paging``; return how many."""
        ...

    def end_alerts(self, *, limit: int, tell: Callable[[CaseAlert], None]) -> int:
        """Tell, once each, of alerts whose case is closed; return how many."""
        ...
