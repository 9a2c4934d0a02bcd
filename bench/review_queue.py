"""The review queue with 100 000 open cases and a million closed ones beside one with 1 000: pages, one case, the board.

Run: ``.venv/bin/python -m bench.review_queue``. Both queues are filled and measured in one run on this machine, so the ratios say
more than the figures. The EHR's own time is left out: what is measured of opening a case is what the store does for it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, make_url

from bench import queue_filling
from canonical.case_views import QueueQuery
from canonical.reviewer import Licence, Pool, Reviewer, Right
from config.policy_files import read_policies
from processes.postgres import PostgresServer
from reconcile.review.board import Board
from reconcile.review.bulk import why_not_in_bulk
from reconcile.review.rows import row_of
from store.cases import Cases
from store.command_records import StoredCommandRecords
from store.database import open_engine, open_session, rows, transaction
from store.migrate import upgrade
from store.review_figures import StoredReviewFigures

SMALL, LARGE, CLOSED = 1_000, 100_000, 1_000_000
#: Milliseconds that a page of the large queue may take at the median.
MOST_MS = 200.0
#: So often is each thing done; a page is one of these after the other.
TIMES = 50
OVERSEER = Reviewer(
    tenant=queue_filling.TENANT,
    issuer="https://people.example",
    subject="bench",
    name="Bench",
    licences=frozenset({Licence.NURSE, Licence.PHARMACIST, Licence.PRESCRIBER}),
    rights=frozenset(Right),
    pools=frozenset(Pool),
)
#: What people narrow a queue by, alone and together.
QUERIES: tuple[tuple[str, QueueQuery], ...] = (
    ("everything", QueueQuery()),
    ("clinical pool", QueueQuery(pool=Pool.CLINICAL)),
    ("operations pool", QueueQuery(pool=Pool.OPERATIONS)),
    ("one kind", QueueQuery(kind="conflict")),
    ("a rare kind", QueueQuery(kind="locked")),
    ("one connection", QueueQuery(connection="ehr-2")),
    ("one action", QueueQuery(action_type="MedicationChange")),
    ("severity 4", QueueQuery(severity=4)),
    ("mine", QueueQuery(mine=True)),
    ("no such kind", QueueQuery(kind="nothing")),
    ("kind and action", QueueQuery(kind="locked", action_type="VitalReading", connection="ehr-3")),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Milliseconds of one thing, each time it was done."""

    times: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.times)

    @property
    def worst(self) -> float:
        """The longest."""
        return max(self.times)


def timed(work: Callable[[], object], times: int) -> Measured:
    """Return how long ``work`` takes, after once for the caches."""
    work()
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - begun))
    return Measured(times=tuple(found))


def measure(engine: Engine) -> dict[str, Measured]:
    """Return what each thing takes on the queue in ``engine``."""
    cases = Cases(engine)
    board = Board(figures=StoredReviewFigures(engine), policies=read_policies())
    found = {f"page: {name}": timed(partial(page, cases, query), TIMES) for name, query in QUERIES}
    found["page: all the filters in turn"] = Measured(
        times=tuple(item for each in found.values() for item in each.times[: TIMES // len(QUERIES) + 1])[:TIMES]
    )
    found["page: the hundredth"] = timed(deep(cases), TIMES)
    shown = cases.page(OVERSEER, QueueQuery()).cases
    found["one case, without the EHR"] = timed(opening(cases, [case.id for case in shown]), TIMES)
    command = shown[0].command_id
    records = StoredCommandRecords(engine)
    found["one command"] = timed(lambda: records.record(queue_filling.TENANT, command), TIMES)
    found["board"] = timed(lambda: board.counted(queue_filling.TENANT), 5)
    return found


def page(cases: Cases, query: QueueQuery) -> int:
    """Show one page of the queue, as the desk does, words and all."""
    found = cases.page(OVERSEER, query)
    return len([row_of(case, OVERSEER, {}, not_in_bulk=why_not_in_bulk(case)) for case in found.cases])


def deep(cases: Cases) -> Callable[[], int]:
    """Return what shows the hundredth page."""
    cursor = None
    for _ in range(99):
        cursor = cases.page(OVERSEER, QueueQuery(cursor=cursor, limit=50)).cursor or cursor
    return lambda: page(cases, QueueQuery(cursor=cursor))


def opening(cases: Cases, ids: list[int]) -> Callable[[], None]:
    """Return what the store does to open one case after the other: all but the reads of the chart."""
    turn = iter(ids * (TIMES + 1))

    def work() -> None:
        case = cases.find(queue_filling.TENANT, next(turn))
        assert case is not None  # noqa: S101 - it was on the page
        command = cases.command(case.command_id)
        cases.operations(case.command_id)
        cases.written_before(command)
        cases.last_view(case, OVERSEER.actor)
        cases.add_view(case, shown_to=OVERSEER.actor, chart_digest=b"1", base_version="1", content={"headline": ""})
        cases.decisions(case)
        cases.waiting(case)
        cases.timeline(case.command_id)

    return work


@contextmanager
def _database(server: PostgresServer, name: str) -> Iterator[Engine]:
    with open_session(server.admin_url) as admin:
        admin.execute(f"CREATE DATABASE {name} OWNER writeback".encode())
    own = make_url(server.url).set(database=name).render_as_string(hide_password=False)
    upgrade(own)
    engine = open_engine(own)
    yield engine
    engine.dispose()


def filled(engine: Engine, *, open_cases: int, closed: int) -> float:
    """Fill the queue and return how many seconds that took."""
    begun = time.perf_counter()
    queue_filling.fill(engine, open_cases=open_cases, closed=closed)
    return time.perf_counter() - begun


def plans(engine: Engine) -> list[str]:
    """Return the nodes that the planner takes for pages of the large queue, each with its index."""
    found = []
    for name, query in QUERIES:
        with transaction(engine) as connection:
            statement, names = Cases.statement(OVERSEER, query)
            plan = [next(iter(row.values())) for row in rows(connection, f"EXPLAIN {statement}", names)]
        scans = [line.split("  (cost")[0].strip("-> ") for line in plan if " cases" in line and "Scan" in line]
        found.append(f"{name}: {'; '.join(scans)}")
    return found


def main() -> None:
    """Print medians, worst times and ratios; end in an error when a page of the large queue is too slow."""
    console = Console(width=130)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wb-bench-")))
        server = stack.enter_context(PostgresServer(folder / "servers"))
        small, large = (stack.enter_context(_database(server, name)) for name in ("small", "large"))
        took = filled(small, open_cases=SMALL, closed=0), filled(large, open_cases=LARGE, closed=CLOSED)
        console.print(f"filled in {took[0]:.1f} s and {took[1]:.1f} s")
        few, many = measure(small), measure(large)
        for line in plans(large):
            console.print(line)
    table = Table("milliseconds", f"{SMALL} open", "worst", f"{LARGE} open, {CLOSED} closed", "worst", "ratio")
    for name, each in many.items():
        table.add_row(
            name,
            f"{few[name].median:.1f}",
            f"{few[name].worst:.1f}",
            f"{each.median:.1f}",
            f"{each.worst:.1f}",
            f"{each.median / few[name].median:.1f}",
        )
    console.print(table)
    slow = [name for name, each in many.items() if name.startswith("page") and each.median >= MOST_MS]
    if slow:
        sys.exit(f"more than {MOST_MS:.0f} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
