"""The chart's Patient, read before the first write of a lane and remembered for a while; not a copy of the chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from canonical.ports import Ehr, Resource, Trace

#: How long an identity read stays good enough; a merge in between is found by the next read.
REMEMBER_DEFAULT = timedelta(minutes=10)
#: Beyond this the oldest is dropped: memory follows what is being written, not who was ever written for.
CAPACITY = 10_000


@dataclass
class Patients:
    """Reads ``Patient/id`` of a connection at most once per ``remember``; ``clock`` gives UTC."""

    clock: Callable[[], datetime]
    remember: timedelta = REMEMBER_DEFAULT
    _known: dict[tuple[str, str, str], tuple[datetime, Resource]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def forget(self, *, tenant: str, connection: str, reference: str) -> bool:
        """Read this patient anew next time; return whether one was remembered."""
        with self._lock:
            return self._known.pop((tenant, connection, reference), None) is not None

    def get(self, ehr: Ehr, *, tenant: str, connection: str, reference: str, trace: Trace) -> Resource | None:
        """Return the Patient, or ``None`` when the chart has none.

        Raises :class:`canonical.errors.EhrUnavailableError`: send nothing, try later.
        """
        key = (tenant, connection, reference)
        with self._lock:
            known = self._known.get(key)
        if known is not None and self.clock() - known[0] < self.remember:
            return known[1]
        patient = ehr.fetch(reference, trace).resource
        if patient is None:
            return None  # registered a moment later, the patient must be found at once
        with self._lock:
            self._known.pop(key, None)
            while len(self._known) >= CAPACITY:
                del self._known[next(iter(self._known))]
            self._known[key] = (self.clock(), patient)
        return patient
