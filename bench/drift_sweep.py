"""The sweep of settled writes over ten thousand and a million of them with 1 000 due: how long it takes, and by which index.

Run: ``.venv/bin/python -m bench.drift_sweep`` (another number of settled writes as argument). The exit status is 1 where it takes
more than a second, where more settled writes make it slower by more than half and 50 ms, or where it is not by the index.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from bench import drift_filling
from canonical.drift_plan import drift_plan
from processes.embedded import EmbeddedServers
from store.database import open_engine, rows, transaction
from store.drift_offers import FIND, DriftOffers
from store.migrate import upgrade

SMALL, LARGE, DUE, TIMES, MOST_S = 10_000, 1_000_000, 1_000, 5, 1.0
INDEX = "ix_watched_writes_due"
_DUE_AGAIN = """
UPDATE watched_writes SET next_look_at = clock_timestamp() - interval '1 second', step = 0
 WHERE command_id IN (SELECT command_id FROM watched_writes WHERE next_look_at < clock_timestamp() + interval '50 minutes'
                      UNION SELECT unnest(%(swept)s::uuid[]))
"""


def measure(engine: Engine) -> float:
    """Return the median of seconds that handing out all 1 000 takes, in one run."""
    plan = drift_plan()
    offers = DriftOffers(engine, plan=replace(plan, steps=tuple(replace(step, part=1.0) for step in plan.steps)))
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        found = offers.offer(limit=2 * DUE, per_minute=lambda _tenant, _name: 2 * DUE)
        taken.append(time.perf_counter() - begun)
        assert len(found) == DUE, len(found)  # noqa: S101 - a sweep that finds less is not what is measured
        with transaction(engine) as connection:
            rows(connection, _DUE_AGAIN, {"swept": found})
            rows(connection, "UPDATE drift_budgets SET since = '-infinity'")
    return statistics.median(taken)


def plan_of(engine: Engine, connection_id: int) -> str:
    """Return how PostgreSQL finds what is due."""
    names = {"connection": connection_id, "risk": True, "limit": DUE}
    with transaction(engine) as connection:
        return "\n".join(row["QUERY PLAN"] for row in rows(connection, f"EXPLAIN {FIND}", names))


def _is_by_index(plan: str) -> bool:
    """Return whether what is due is one range of the index, and not looked for in all that it holds."""
    return INDEX in plan and "next_look_at <=" in plan.partition("Index Cond")[2].partition("\n")[0]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift_sweep", description=__doc__)
    parser.add_argument("settled", nargs="?", type=int, default=LARGE)
    large = parser.parse_args().settled
    with tempfile.TemporaryDirectory(prefix="wb-drift-") as name, EmbeddedServers(Path(name) / "servers") as urls:
        upgrade(urls.database_url)
        engine = open_engine(urls.database_url)
        connection_id = drift_filling.fill(engine, settled=SMALL, due=DUE)
        small, small_plan = measure(engine), plan_of(engine, connection_id)
        drift_filling.fill(engine, settled=large - SMALL, due=0, before=SMALL + DUE)
        big, big_plan = measure(engine), plan_of(engine, connection_id)
        engine.dispose()
    table = Table("settled", "due", "one sweep, median", title="The sweep of settled writes")
    for settled, seconds in ((SMALL, small), (large, big)):
        table.add_row(f"{settled:,}", f"{DUE:,}", f"{seconds * 1000:.0f} ms")
    console = Console(width=120)
    console.print(table)
    console.print(big_plan)
    good = (
        max(small, big) <= MOST_S
        and big <= 1.5 * small + 0.05
        and all(_is_by_index(one) for one in (small_plan, big_plan))
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
