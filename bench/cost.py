"""What one clean create costs after intake: statements, round trips, WAL flushes, EHR requests. One turn at a time.

Run: ``.venv/bin/python -m bench.cost``. WAL flushes are read from ``pg_stat_io``; with one writer and no group commit each
commit that changed something is one flush.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

import psycopg
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from adapters import open_ehr
from bench.site import Site, fill, open_site
from store.held_lanes import PostgresLanes
from tasks.journey import Journey
from tasks.patients import Patients
from tasks.preparation import Preparation
from tasks.probing import Probing
from tasks.turn import LaneTurn

COMMANDS, PATIENTS = 400, 20
_FLUSHES = "SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal' AND context = 'normal'"


class Counted:
    """Counts statements, and round trips: a statement of its own is one, a pipeline of several is one too."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._depth = 0

    def __enter__(self) -> Self:
        self._execute, self._pipeline = psycopg.Cursor.execute, psycopg.Connection.pipeline
        counted = self

        def execute(cursor: Any, *arguments: Any, **named: Any) -> Any:
            counted.seen["statements"] += 1
            counted.seen["round trips"] += not counted._depth
            return counted._execute(cursor, *arguments, **named)

        @contextmanager
        def pipeline(connection: Any) -> Iterator[Any]:
            counted.seen["round trips"] += not counted._depth
            counted._depth += 1
            try:
                with counted._pipeline(connection) as opened:
                    yield opened
            finally:
                counted._depth -= 1

        psycopg.Cursor.execute = execute  # type: ignore[method-assign,assignment]
        psycopg.Connection.pipeline = pipeline  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        psycopg.Cursor.execute = self._execute  # type: ignore[method-assign]
        psycopg.Connection.pipeline = self._pipeline  # type: ignore[method-assign]


def _turn(site: Site, lanes: PostgresLanes) -> LaneTurn:
    ehr = open_ehr(site.connection)

    def ehrs(_tenant: str, _connection: str) -> Any:
        return ehr

    preparation = Preparation(ehrs=ehrs, patients=Patients(clock=lambda: datetime.now(UTC)))
    return LaneTurn(lanes=lanes, preparation=preparation, journey=Journey(ehrs=ehrs), probing=Probing(ehrs=ehrs))


def _flushes(site: Site) -> int:
    with site.engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return int(connection.execute(text(_FLUSHES)).scalar_one())


def measure(site: Site) -> dict[str, float]:
    """Return counts per command of the second half of the lanes' work; the first half warms caches."""
    lanes = PostgresLanes(site.database_url, actor="bench")
    turn = _turn(site, lanes)
    for lane in fill(site, commands=PATIENTS, patients=PATIENTS):
        turn.run(lane)
    due = fill(site, commands=COMMANDS, patients=PATIENTS)
    lanes.close()  # a session reports its WAL statistics at the latest when it ends
    writes, requests, flushes = site.ehr_writes(), site.ehr_requests(), _flushes(site)
    with Counted() as counted:
        begun = time.perf_counter()
        for lane in due:
            while turn.run(lane).more:
                pass
        elapsed = time.perf_counter() - begun
    lanes.close()
    return {
        "statements": counted.seen["statements"] / COMMANDS,
        "round trips": counted.seen["round trips"] / COMMANDS,
        "WAL flushes": (_flushes(site) - flushes) / COMMANDS,
        "EHR write requests": (site.ehr_writes() - writes) / COMMANDS,
        "EHR requests": (site.ehr_requests() - requests) / COMMANDS,
        "milliseconds": 1000 * elapsed / COMMANDS,
    }


def main() -> None:
    """Print the table."""
    with open_site(patients=PATIENTS) as site:
        figures = measure(site)
        left = (
            site.engine.connect().execute(text("SELECT count(*) FROM commands WHERE state <> 'verified'")).scalar_one()
        )
    table = Table("per clean create after intake", "count", title=f"{COMMANDS} creates, one turn at a time")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table, f"not verified: {left}")


if __name__ == "__main__":
    main()
