"""How much one app may give for one tenant in an hour; counted in the database, remembered here between two counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from canonical.admission import AdmissionStore, BusyError

HOUR = timedelta(hours=1)
#: A count costs as much as the quota is large; between two counts only this process's own acceptances are added.
RECOUNT_AFTER = timedelta(seconds=10)


@dataclass
class _Window:
    counted_at: datetime
    count: int
    #: When a place comes free, if the database itself said that none is.
    full_until: datetime | None


@dataclass
class HourlyQuota:
    """At most ``limit`` commands an hour for each tenant and app. Thread-safe.

    Several processes know of one another's acceptances after :data:`RECOUNT_AFTER`, so a limit may be passed by what
    they accept in that time: it protects from a runaway sender, it is not an invoice.
    """

    store: AdmissionStore
    limit: int
    clock: Callable[[], datetime]
    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def check(self, tenant: str, app: str) -> None:
        """Pass only if one more command is within the quota.

        Raises :class:`BusyError` ``quota-exceeded`` with the time until the oldest one leaves the hour.
        """
        now = self.clock()
        with self._lock:
            window = self._windows.get((tenant, app))
        if window is None or now - window.counted_at >= RECOUNT_AFTER or self._seems_full(window):
            window = self._counted(tenant, app, now)
        if window.full_until is not None:
            raise BusyError(
                "quota-exceeded",
                f"This app may give {self.limit} commands an hour. Nothing was accepted; go on later.",
                retry_after=max(window.full_until - now, timedelta(seconds=1)),
            )

    def _seems_full(self, window: _Window) -> bool:
        """Whether it looks full and the database may know better: of acceptances that have left the hour."""
        return window.count >= self.limit and (window.full_until is None or window.full_until <= self.clock())

    def _counted(self, tenant: str, app: str, now: datetime) -> _Window:
        """Count, and remember the answer, a full one too: refusing a runaway sender must cost next to nothing."""
        count, oldest = self.store.accepted(tenant, app, within=HOUR)
        full_until = now + HOUR - oldest if count >= self.limit else None
        window = _Window(counted_at=now, count=count, full_until=full_until)
        with self._lock:
            self._windows[tenant, app] = window
        return window

    def count(self, tenant: str, app: str) -> None:
        """Note that one more was accepted."""
        with self._lock:
            window = self._windows.get((tenant, app))
            if window is not None:
                window.count += 1
