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
        if window is None or now - window.counted_at >= RECOUNT_AFTER or window.count >= self.limit:
            count, oldest = self.store.accepted(tenant, app, within=HOUR)
            with self._lock:
                self._windows[tenant, app] = _Window(counted_at=now, count=count)
            if count >= self.limit:
                raise BusyError(
                    "quota-exceeded",
                    f"This app may give {self.limit} commands an hour. Nothing was accepted; go on later.",
                    retry_after=max(HOUR - oldest, timedelta(seconds=1)),
                )

    def count(self, tenant: str, app: str) -> None:
        """Note that one more was accepted."""
        with self._lock:
            window = self._windows.get((tenant, app))
            if window is not None:
                window.count += 1
