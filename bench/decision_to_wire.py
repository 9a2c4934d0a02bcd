"""How long after a reviewer decides the request reaches the EHR, with a worker that has nothing else to do.

Run: ``.venv/bin/python -m bench.decision_to_wire``. The desk, a worker process and the sandbox are the real ones; a decision's
time begins before the desk reads the chart again, and ends where the sandbox notes the request.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, replace
from uuid import UUID

from rich.console import Console
from rich.table import Table

from bench.site import TENANT, Site, governance, new_command, open_site
from bench.throughput import WORKER, running, until, wait_for_workers
from canonical.review_desk import Decision, Verb
from canonical.reviewer import Licence, Pool, Reviewer, Right
from config.settings import Settings
from config.wiring import Services, build
from store.intake import accept
from tasks.app import Role, make_celery

DECISIONS = 30
#: Seconds that the median may be.
MOST_S = 2.0
NURSE = Reviewer(
    tenant=TENANT,
    issuer="https://people.example",
    subject="bench-nurse",
    name="Bench",
    licences=frozenset({Licence.NURSE, Licence.PRESCRIBER}),
    rights=frozenset({Right.SEE_ROWS, Right.SEE_CONTENT, Right.DECIDE}),
    pools=frozenset({Pool.CLINICAL}),
)


@dataclass(frozen=True, kw_only=True)
class Trip:
    """Seconds of one decision: until it was answered, and until its request was at the EHR."""

    decided: float
    at_ehr: float


def waiting(site: Site) -> list[UUID]:
    """Accept readings, each of its own patient, that wait for a person's approval; return their ids."""
    governed = governance(site)
    return [
        accept(
            site.engine,
            replace(new_command(n, n, *governed), approval_required=True, approval_reason="always-a-person"),
        ).command_id
        for n in range(DECISIONS)
    ]


def trip(site: Site, services: Services, command: UUID) -> Trip:
    """Open the command's case, approve it, and wait until its request is there."""
    case = services.case_desk.cases.open_case_of(TENANT, command)
    assert case is not None  # noqa: S101 - it was accepted so
    page = services.review_desk.open(NURSE, case)
    before = site.ehr_writes()
    begun = time.time()
    services.review_desk.decide(NURSE, case, Decision(verb=Verb.APPROVE, view=page.view))
    decided = time.time()
    until(site.ehr_writes, before + 1)
    at = next(item["at"] for item in reversed(site.log) if item["method"] == "POST" and "_search" not in item["path"])
    until(lambda: _verified(site, command), 1)
    return Trip(decided=decided - begun, at_ehr=at - begun)


def _verified(site: Site, command: UUID) -> int:
    with site.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT state FROM commands WHERE id = %s", (command,)).scalar_one()
    return int(found == "verified")


def main() -> None:
    """Print median and worst; end in an error when the median is too long."""
    with open_site(patients=DECISIONS) as site:
        environment = site.environment()
        settings = Settings(
            database_url=site.database_url,
            redis_url=site.redis_url,
            connections_file=site.folder / "connections.toml",
            data_dir=site.folder / "data",
        )
        services = build(settings)
        commands = waiting(site)
        program = [sys.executable, "-c", WORKER.format(role=Role.DISPATCH.value, n=4)]
        with running([program], environment), make_celery(settings, role=Role.PRODUCER) as app:
            wait_for_workers(app, 1)
            trips = [trip(site, services, command) for command in commands]
        services.close()
    table = Table("seconds", "median", "worst", title=f"{DECISIONS} decisions, one after the other, an idle worker")
    for name, found in (
        ("the desk's answer", [item.decided for item in trips]),
        ("the request at the EHR", [item.at_ehr for item in trips]),
    ):
        table.add_row(name, f"{statistics.median(found):.3f}", f"{max(found):.3f}")
    Console().print(table)
    if statistics.median(item.at_ehr for item in trips) >= MOST_S:
        sys.exit(f"the median is not below {MOST_S} s")


if __name__ == "__main__":
    main()
