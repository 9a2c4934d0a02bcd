"""Settled writes at a real sandbox in which people, systems and accidents change them; time passes when it is said to."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from canonical.drift import Settled
from reconcile import drifted
from reconcile.drifted import Config
from store.database import open_engine
from tests.interop.servers import FhirServer
from tests.interop.station import Station, open_station, proxy_before
from tests.reconcile.conftest import Noted
from tests.reconcile.review.whole_desk import WholeDesk, open_whole_desk
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import heart_rate

RUIZ = {"name": "Dr A. Ruiz", "role": "physician"}
ENGINE = "urn:example:interface-engine"
_numbers = itertools.count()


@dataclass
class DriftBench:
    """``whole`` is the process and its desk, on the ward of ``station``, at ``sandbox``."""

    sandbox: RunningSandbox
    station: Station
    whole: WholeDesk
    hands: Noted = field(default_factory=Noted)

    def written(self, **envelope: Any) -> UUID:
        """Return a command that is proven to be in the chart."""
        n = next(_numbers)
        return self.whole.written(
            heart_rate(effectiveDateTime=f"2026-03-08T09:{n % 60:02d}:00-05:00"), key=str(uuid4()), **envelope
        )

    def let_be_due(self) -> None:
        """Let the time of each look come, of all as of high risk: whether one is drawn is asked elsewhere."""
        self.whole.look(
            "UPDATE watched_writes SET high_risk = true, next_look_at = clock_timestamp() WHERE next_look_at IS NOT NULL"
        )
        self.whole.look("UPDATE drift_budgets SET since = '-infinity'")

    def sweep(self) -> list[UUID]:
        """Hand out what is due, to hands that only note it; return what was handed out."""
        self.hands.settled.clear()
        drifted.run_once(self.whole.services, self.hands, Config())
        return list(self.hands.settled)

    def look(self) -> list[Settled | None]:
        """Let all be due, and look at each."""
        self.let_be_due()
        return [self.whole.services.drift_look.run(command) for command in self.sweep()]

    def entry(self, command: UUID) -> dict[str, Any]:
        return self.whole.entry(command)

    def edit(self, command: UUID, value: str | None = "99", **more: Any) -> None:
        """Change an entry in the EHR itself; ``by`` and ``system`` say who, without them nobody does."""
        entry = self.entry(command)
        if value is not None:
            entry["valueQuantity"]["value"] = Decimal(value)
        self.sandbox.edit(entry, **more)

    def delete(self, command: UUID, **more: Any) -> None:
        answer = self.sandbox.admin.post("edit", json={"delete": self.reference(command), **more})
        assert answer.is_success, answer.text

    def raw(self, sql: str, *values: Any) -> None:
        """Change the EHR's database behind its back."""
        with sqlite3.connect(self.sandbox.data_dir / "sandbox.sqlite3") as connection:
            connection.execute(sql, values)
        connection.close()

    def reference(self, command: UUID) -> str:
        sql = "SELECT reference FROM operations WHERE command_id = %(id)s AND is_primary"
        return str(self.whole.look(sql, id=command)[0]["reference"])

    def state(self, command: UUID) -> tuple[str, str]:
        return self.station.ward.state(command), self.station.ward.reason(command)

    def cases(self) -> list[str]:
        return [row["kind"] for row in self.whole.look("SELECT kind FROM cases WHERE closed_at IS NULL ORDER BY id")]

    def tally(self) -> dict[str, int]:
        found = self.whole.look("SELECT finding, sum(looks)::int AS looks FROM drift_tallies GROUP BY finding")
        return {row["finding"]: row["looks"] for row in found}

    def ehr_writes(self) -> int:
        return sum(entry["method"] in {"POST", "PUT", "PATCH", "DELETE"} for entry in self.sandbox.requests())


@contextmanager
def open_drift_bench(
    engine: Engine, database_url: str, redis_url: str, sandbox: RunningSandbox, folder: Path
) -> Iterator[DriftBench]:
    """Set everything up; closed at the end."""
    sandbox.settings(update_create=True)
    server = FhirServer(sandbox.url)
    with proxy_before(server) as proxy:
        station = open_station(engine, database_url, server, proxy)
        try:
            with open_whole_desk(station, redis_url, folder) as whole:
                yield DriftBench(sandbox=sandbox, station=station, whole=whole)
        finally:
            station.close()
            server.close()


@pytest.fixture
def drift_bench(sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[DriftBench]:
    """A bench of its own for each test."""
    engine = open_engine(database_url)
    with open_drift_bench(engine, database_url, redis_url, sandbox, tmp_path) as bench:
        yield bench
    engine.dispose()
