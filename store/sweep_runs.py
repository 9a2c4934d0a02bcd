"""When each sweep last finished, and with what: the liveness that matters. And one sweep of a kind at a time, cheaply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import Engine

from canonical import exact_json
from store.database import rows, transaction

#: First half of the advisory keys of sweeps; lanes take the other form of key (one bigint), so the two never meet.
_SWEEPS = 7393
_ALONE = "SELECT pg_try_advisory_xact_lock(%(kind)s, hashtext(%(name)s)) AS first"
_RECORD = """
INSERT INTO sweeps (name, finished_at, counts) VALUES (%(name)s, clock_timestamp(), %(counts)s::jsonb)
ON CONFLICT (name) DO UPDATE SET finished_at = excluded.finished_at, counts = excluded.counts
"""
#: Seconds between two records of a sweep that found nothing: a commit each would be most of what an idle system does.
_QUIET = 10.0
_LAST = "SELECT name, finished_at, counts FROM sweeps ORDER BY name"


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """The last finished run of a sweep (UTC, database clock) and what it counted."""

    name: str
    finished_at: datetime
    counts: Mapping[str, int]


class SweepRuns:
    """The sweeps' own book. Every method raises ``StoreUnavailableError`` when PostgreSQL cannot be reached."""

    def __init__(self, engine: Engine, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Work on ``engine``."""
        self._engine, self._monotonic = engine, monotonic
        self._recorded: dict[str, float] = {}
        # A sweep keeps one pooled connection for its lock and needs another: several at once could starve one another.
        self._one_at_a_time = Lock()

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Yield whether nobody else runs ``name`` right now; all sweeps are safe to run twice, this only saves work."""
        with self._one_at_a_time, transaction(self._engine) as connection:
            yield bool(rows(connection, _ALONE, {"kind": _SWEEPS, "name": name})[0]["first"])

    def record(self, name: str, counts: Mapping[str, int]) -> None:
        """Note that ``name`` has just finished; a sweep that found nothing is noted every ten seconds."""
        now = self._monotonic()
        if not any(counts.values()) and now - self._recorded.get(name, -_QUIET) < _QUIET:
            return
        with transaction(self._engine) as connection:
            rows(connection, _RECORD, {"name": name, "counts": exact_json.dumps(dict(counts))})
        self._recorded[name] = now

    def last(self) -> list[SweepRun]:
        """Return the last finished run of every sweep."""
        with transaction(self._engine) as connection:
            return [SweepRun(**row) for row in rows(connection, _LAST)]
