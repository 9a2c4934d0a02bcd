"""Every sweep with 1 000 things due, over ten thousand and a million settled writes: what a run takes, and if it stays flat.

Run: ``.venv/bin/python -m bench.sweeps`` (another number of settled writes as argument, e.g. 10000000). The exit status is 1
where a run takes more than a second, where more settled writes make one slower by more than half and 50 ms, or where one finds
nothing. The sweep of settled writes themselves has a bench of its own (``bench.drift_sweep``). Two are not here: ``balance``
counts what one day brought, once a day, and ``replays`` asks an EHR for each item that it begins.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from rich.console import Console
from rich.table import Table

from bench import drift_filling
from config.settings import Settings
from config.wiring import Services, build
from processes.embedded import EmbeddedServers
from reconcile.schedule import SWEEPS
from store.database import open_engine, rows, transaction
from store.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL, LARGE, DUE, TIMES, MOST_S = 10_000, 1_000_000, 1_000, 5, 1.0
_PICK = "(SELECT id FROM commands WHERE lane_seq < %(due)s)"
_CASE = """
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, asked_until, holds)
SELECT tenant, id, connection_id, action_type, '{kind}', 'clinical', 2, {due_at}, {asked_until}, true
  FROM commands WHERE lane_seq < %(due)s
"""
_PAST, _FUTURE = "clock_timestamp() - interval '1 minute'", "clock_timestamp() + interval '1 day'"


def _moved(state: str, **columns: str) -> str:
    """Return the statement that puts 1 000 commands, each of a lane of its own, where a sweep looks for them."""
    values = {"state": f"'{state}'", "state_since": "clock_timestamp()", "due_at": _PAST, "not_after": "NULL"} | columns
    return f"UPDATE commands SET {', '.join(f'{name} = {value}' for name, value in values.items())} WHERE id IN {_PICK}"


#: Sweep → the statements that make 1 000 things due for it.
SETTINGS: dict[str, tuple[str, ...]] = {
    "due": (_moved("ready"),),
    "expired_leases": (_moved("sending"),),
    "unknown": (_moved("unknown"),),
    "unproven": (_moved("applied"),),
    "parked": (_moved("parked"),),
    "pending_remote": (_moved("pending_remote"),),
    "incomplete": (_moved("incomplete", rest_left="NULL"),),
    "deadlines": (_moved("ready", not_after=_PAST, due_at=_FUTURE),),
    "conflicted": (_moved("conflicted"), _CASE.format(kind="conflict", due_at=_FUTURE, asked_until="NULL")),
    "overdue_cases": (_moved("in_review"), _CASE.format(kind="cannot_tell", due_at=_PAST, asked_until="NULL")),
    "unanswered": (_moved("in_review"), _CASE.format(kind="cannot_tell", due_at=_FUTURE, asked_until=_PAST)),
    "unacknowledged": (
        _moved("rejected"),
        f"""
        INSERT INTO payloads (tenant, digest, content)
        SELECT DISTINCT c.tenant, c.envelope_digest, ''::bytea FROM commands c WHERE c.id IN {_PICK} ON CONFLICT DO NOTHING
        """,
        f"""
        INSERT INTO acknowledgements (command_id, tenant, app, connection_id, sequence, severity, owed_at, due_at)
        SELECT c.id, c.tenant, c.app, c.connection_id, c.event_seq, 3, {_PAST}, {_PAST} FROM commands c WHERE c.id IN {_PICK}
        """,
    ),
    "echoes": (
        """
        INSERT INTO touched_entries (connection_id, tenant, reference, named)
        SELECT k.id, k.tenant, 'Observation/e' || n, true FROM connections k, generate_series(1, %(due)s) n
        """,
    ),
    "callbacks": (
        """
        INSERT INTO endpoints (id, tenant, app, url, secret)
        VALUES (gen_random_uuid(), 'bench', 'bench-app', 'https://app.example/hook', '')
        """,
        f"""
        INSERT INTO callbacks (tenant, endpoint_id, command_id, sequence, status, state, reason)
        SELECT 'bench', e.id, c.id, 1, 'inChart', 'verified', '' FROM endpoints e, {_PICK} c
        """,
    ),
}
_CLEAR = (
    "DELETE FROM touched_entries",
    "DELETE FROM callbacks",
    "DELETE FROM endpoints",
    "DELETE FROM acknowledgements",
    "UPDATE cases SET closed_at = clock_timestamp(), asked_until = NULL WHERE closed_at IS NULL",
    f"UPDATE commands SET state = 'verified', not_after = NULL WHERE id IN {_PICK}",
)
_FILE = f"""
[[connection]]
tenant = "{drift_filling.TENANT}"
name = "{drift_filling.CONNECTION}"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:9/fhir"
max_in_flight = 256
"""


@dataclass
class Counted:
    """Hands that take everything on and do nothing with it."""

    taken: int = 0

    def _take(self, _what: object) -> bool:
        self.taken += 1
        return True

    def dispatch(self, lane_id: int) -> bool:
        return self._take(lane_id)

    def verify(self, command_id: UUID) -> bool:
        return self._take(command_id)

    def notify(self, callback_id: int) -> bool:
        return self._take(callback_id)

    def look(self, case_id: int) -> bool:
        return self._take(case_id)

    def recheck(self, command_id: UUID) -> bool:
        return self._take(command_id)

    def inquire(self, command_id: UUID) -> bool:
        return self._take(command_id)

    def complete(self, command_id: UUID) -> bool:
        return self._take(command_id)

    def reread(self, entry_id: int) -> bool:
        return self._take(entry_id)


def _run(services: Services, statements: Sequence[str]) -> None:
    with transaction(services.engine) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        for statement in statements:
            rows(connection, statement, {"due": DUE})


def measure(services: Services, name: str) -> tuple[float, int]:
    """Return the median of seconds that one run takes, and the least that a run found."""
    taken, found = [], []
    for _ in range(TIMES):
        _run(services, (*_CLEAR, *SETTINGS[name]))
        begun = time.perf_counter()
        counts = SWEEPS[name].run_once(services, Counted())
        taken.append(time.perf_counter() - begun)
        found.append(sum(counts.values()))
    _run(services, _CLEAR)
    return statistics.median(taken), min(found)


def _vacuum(services: Services) -> None:
    with services.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql("SET statement_timeout = 0")
        session.exec_driver_sql("VACUUM ANALYZE commands, cases, callbacks")


def measure_all(services: Services) -> dict[str, tuple[float, int]]:
    """Measure every sweep, with the planner's figures as of now."""
    _vacuum(services)
    return {name: measure(services, name) for name in SETTINGS}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweeps", description=__doc__)
    parser.add_argument("settled", nargs="?", type=int, default=LARGE)
    large = parser.parse_args().settled
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="wb-sweeps-") as name, EmbeddedServers(Path(name) / "servers") as urls:
        upgrade(urls.database_url)
        file = Path(name) / "connections.toml"
        file.write_text(_FILE, encoding="utf-8")
        engine = open_engine(urls.database_url)
        drift_filling.fill(engine, settled=SMALL, due=0)
        settings = Settings(database_url=urls.database_url, redis_url=urls.redis_url, connections_file=file)
        services = build(settings)
        small = measure_all(services)
        drift_filling.fill(engine, settled=large - SMALL, due=0, before=SMALL)
        big = measure_all(services)
        services.close()
        engine.dispose()
    table = Table(
        "sweep", f"over {SMALL:,} settled", f"over {large:,}", "ratio", "found", title=f"One run with {DUE:,} due"
    )
    good = True
    for sweep, (seconds, found) in big.items():
        before = small[sweep][0]
        good &= found > 0 and max(before, seconds) <= MOST_S and seconds <= 1.5 * before + 0.05
        table.add_row(
            sweep, f"{before * 1000:.1f} ms", f"{seconds * 1000:.1f} ms", f"{seconds / before:.2f}", f"{found}"
        )
    Console(width=120).print(table)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
