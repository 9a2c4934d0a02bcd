"""Commands a second through Celery beside a bare task with the same HTTP request, side by side in one run.

Run: ``.venv/bin/python -m bench.throughput``. Two worker processes of eight threads each, for both; everything shares this
machine's cores, so the ratio says more than the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from celery import Celery
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from bench.site import ROOT, Site, fill, open_site, reading
from canonical import exact_json
from config.settings import Settings
from tasks.app import Role, make_celery
from tasks.queues import QUEUE_OF, TaskName, hint

COMMANDS, PATIENTS, PROCESSES, THREADS = 2_000, 200, 2, 8
LONGEST_S = 300.0
WORKER = (
    "from config.environment import read_settings; from tasks.app import run_worker;"
    " run_worker(read_settings(), {role!r}, {n})"
)


@contextmanager
def running(programs: list[list[str]], environment: dict[str, str]) -> Iterator[None]:
    """Run ``programs`` beside this one, and end them."""
    started = [
        subprocess.Popen(item, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for item in programs
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def until(done: Callable[[], int], wanted: int) -> float:
    """Return how many seconds ``done`` took to come to ``wanted``; ends the run when it takes too long."""
    begun = time.perf_counter()
    while done() < wanted:
        if time.perf_counter() - begun > LONGEST_S:
            sys.exit(f"only {done()} of {wanted} after {LONGEST_S:.0f} s")
        time.sleep(0.1)
    return time.perf_counter() - begun


def _verified(site: Site) -> int:
    with site.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM commands WHERE state = 'verified'")).scalar_one())


def wait_for_workers(app: Celery, count: int = PROCESSES) -> None:
    """Wait until so many worker processes answer."""
    until(lambda: len(app.control.ping(timeout=0.5)), count)


def product(site: Site) -> float:
    """Return commands a second through the product's own workers, from the first hint to the last proof."""
    settings = Settings(database_url=site.database_url, redis_url=site.redis_url)
    lanes = fill(site, commands=COMMANDS, patients=PATIENTS)
    program = [sys.executable, "-c", WORKER.format(role="dispatch", n=THREADS)]
    with running([program] * PROCESSES, site.environment()), make_celery(settings, role=Role.PRODUCER) as app:
        wait_for_workers(app)
        begun = time.perf_counter()
        for lane in lanes:
            app.send_task(TaskName.DISPATCH.value, args=[hint(lane=lane)], queue=QUEUE_OF[TaskName.DISPATCH].value)
        until(lambda: _verified(site), COMMANDS)
        return COMMANDS / (time.perf_counter() - begun)


def bare(site: Site) -> float:
    """Return requests a second of the bare task, from the first message to the last resource."""
    os.environ.update(BARE_BROKER=site.redis_url, BARE_FHIR=f"{site.fhir_url}/")
    from bench.bare import app, create

    program = [sys.executable, "-m", "celery", "-A", "bench.bare", "worker", "-P", "threads", "-c", str(THREADS)]
    before = site.ehr_writes()
    named = [[*program, "-n", f"bare{n}", "--without-gossip", "--without-mingle"] for n in range(PROCESSES)]
    with running(named, site.environment()):
        wait_for_workers(app)
        begun = time.perf_counter()
        for n in range(COMMANDS):
            create.delay(_observation(n))
        until(lambda: site.ehr_writes() - before, COMMANDS)
        return COMMANDS / (time.perf_counter() - begun)


def _observation(n: int) -> str:
    action = reading(n, n % PATIENTS)["action"]
    members = {name: value for name, value in action.items() if name not in {"type", "operation"}}
    return exact_json.dumps(
        {
            "resourceType": "Observation",
            "status": "final",
            "subject": {"reference": f"Patient/p{n % PATIENTS}"},
            **members,
        }
    )


def main() -> None:
    """Print both figures and their ratio."""
    with ExitStack() as stack:
        site = stack.enter_context(open_site(patients=PATIENTS))
        writes = site.ehr_writes()
        ours = product(site)
        each = (site.ehr_writes() - writes) / COMMANDS
        theirs = bare(site)
    table = Table(
        "", "per second", "EHR writes per command", title=f"{COMMANDS} creates, {PROCESSES} x {THREADS} threads"
    )
    table.add_row("bare Celery task, nothing proven", f"{theirs:.0f}", "1.00")
    table.add_row("Writeback, journaled and proven", f"{ours:.0f}", f"{each:.2f}")
    table.add_row("ratio", f"{ours / theirs:.2f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
