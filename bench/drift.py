"""Proven writes at a simulated EHR, a tenth of them changed there in five ways: what one full pass of looks tells apart.

Run: ``.venv/bin/python -m bench.drift`` (5000 writes; another number as argument). The exit status is 1 where a change with
nobody's name, a write that disappeared or one that a merge took along was missed, or where anything else raised an alarm.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from rich.console import Console
from rich.table import Table

from bench.site import TENANT, Site, fill, open_site
from canonical import exact_json
from canonical.drift import ALARMS, Finding
from canonical.drift_plan import drift_plan
from config.settings import Settings
from config.wiring import Services, build
from reconcile.drift_look import DriftLook
from store.database import rows, transaction
from store.drift import DriftWatchBook

WRITES, PATIENTS, THREADS = 5_000, 500, 4
#: How the changes are injected → the alarm that each must raise, or none.
KINDS: dict[str, Finding | None] = {
    "stored anew by the vendor": None,
    "edited by a named person": None,
    "edited by a system": None,
    "changed, no author": Finding.CHANGED,
    "disappeared": Finding.DISAPPEARED,
    "merged away": Finding.MERGED,
}
#: Person and system are one kind: each gets half of its share.
_SHARES = (1.0, 0.5, 0.5, 1.0, 1.0, 1.0)
_WRITTEN = """
SELECT c.id, o.reference, l.id AS lane FROM commands c JOIN operations o ON o.command_id = c.id JOIN lanes l ON l.id = c.lane_id
 WHERE c.state = 'verified' ORDER BY l.id, c.lane_seq
"""
_CASES = "SELECT command_id, kind FROM cases WHERE closed_at IS NULL"
_ALL_DUE = "UPDATE watched_writes SET high_risk = true, next_look_at = clock_timestamp()"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The simulated EHR as those change it who work there."""

    site: Site

    def edit(self, reference: str, *, value: str | None = None, patient: str | None = None, **who: Any) -> None:
        """Change an entry; ``by`` or ``system`` says who, without them nobody does."""
        entry = exact_json.parse(self.site.chart.get(f"/fhir/{reference}").content)
        if value is not None:
            entry["valueQuantity"]["value"] = Decimal(value)
        if patient is not None:
            entry["subject"] = {"reference": patient}
        self._post({"resource": entry, **who})

    def delete(self, reference: str) -> None:
        self._post({"delete": reference})

    def merge(self, patient: str, into: str) -> None:
        record = exact_json.parse(self.site.chart.get(f"/fhir/{patient}").content)
        link = [{"other": {"reference": into}, "type": "replaced-by"}]
        self._post({"resource": {**record, "active": False, "link": link}, "by": {"name": "Records Office"}})

    def subject(self, reference: str) -> str:
        return str(exact_json.parse(self.site.chart.get(f"/fhir/{reference}").content)["subject"]["reference"])

    def says(self, reference: str) -> str:
        return str(exact_json.parse(self.site.chart.get(f"/fhir/{reference}").content)["valueQuantity"]["value"])

    def _post(self, edit: dict[str, Any]) -> None:
        self.site.chart.post("/admin/edit", content=exact_json.dumps(edit)).raise_for_status()


def write(services: Services, site: Site, *, writes: int) -> list[dict[str, Any]]:
    """Let ``writes`` commands be written and proven; return them, those of one patient after each other."""
    lanes = fill(site, commands=writes, patients=PATIENTS)

    def work(lane: int) -> None:
        while services.dispatcher.run(lane):
            continue

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, lanes))
    found = _ask(services, _WRITTEN)
    assert len(found) == writes, f"{len(found)} of {writes} were proven"  # noqa: S101 - else nothing is measured
    return found


def inject(chart: Chart, written: list[dict[str, Any]], *, changes: int) -> dict[UUID, str]:
    """Change ``changes`` of the writes, one kind after the other; return what was done to which."""
    done: dict[UUID, str] = {}
    each, at = changes // 5, 0
    # Merges take all of a patient along: those are the last in the list, which no other kind reaches.
    moved = _merge(chart, written, most=each)
    for kind, share in zip(KINDS, _SHARES, strict=True):
        if kind == "merged away":
            continue
        chosen = written[at : at + int(each * share)]
        at += len(chosen)
        for row in chosen:
            _inject(chart, kind, row["reference"])
            done[row["id"]] = kind
    return done | dict.fromkeys(moved, "merged away")


def _inject(chart: Chart, kind: str, reference: str) -> None:
    match kind:
        case "stored anew by the vendor":
            chart.edit(reference, value=f"{chart.says(reference)}.00")
        case "edited by a named person":
            chart.edit(reference, value="199", by={"name": "Dr A. Ruiz", "role": "physician"})
        case "edited by a system":
            chart.edit(reference, value="199", system="urn:example:interface-engine")
        case "changed, no author":
            chart.edit(reference, value="199")
        case _:
            chart.delete(reference)


def _merge(chart: Chart, written: list[dict[str, Any]], *, most: int) -> Iterator[UUID]:
    """Merge patients into one, the last first, until ``most`` writes went along."""
    moved: list[UUID] = []
    for lane in dict.fromkeys(row["lane"] for row in reversed(written)):
        if len(moved) >= most:
            break
        mine = [row for row in written if row["lane"] == lane]
        patient, survivor = chart.subject(mine[0]["reference"]), chart.subject(written[0]["reference"])
        chart.merge(patient, survivor)
        for row in mine:
            chart.edit(row["reference"], patient=survivor, by={"name": "Records Office"})
        moved += [row["id"] for row in mine]
    return iter(moved)


def full_pass(services: Services, look: DriftLook) -> tuple[int, float]:
    """Look at every write once; return how many looks that were and how many seconds they took."""
    with transaction(services.engine) as connection:
        rows(connection, _ALL_DUE)
    begun, looks = time.perf_counter(), 0
    with ThreadPoolExecutor(THREADS) as pool:
        while found := look.book.offer(limit=500, per_minute=lambda _tenant, _name: sys.maxsize):
            looks += sum(settled is not None for settled in pool.map(look.run, found))
    return looks, time.perf_counter() - begun


def _ask(services: Services, sql: str) -> list[dict[str, Any]]:
    with transaction(services.engine) as connection:
        return [dict(row) for row in rows(connection, sql)]


def judge(done: dict[UUID, str], cases: dict[UUID, str], *, writes: int) -> tuple[Table, bool]:
    """Return a line for each kind, and whether each alarm that had to be was, and no other."""
    table = Table("injected", "writes", "found as such", "other alarms", title=f"One full pass over {writes:,} writes")
    injected, good = Counter(done.values()), True
    for kind, alarm in KINDS.items():
        mine = [cases.get(command) for command, what in done.items() if what == kind]
        right = sum(case == (ALARMS[alarm] if alarm else None) for case in mine)
        good &= right == injected[kind]
        table.add_row(kind, f"{injected[kind]}", f"{right}", f"{len(mine) - right}")
    false = [command for command in cases if command not in done]
    table.add_row("nothing", f"{writes - len(done):,}", f"{writes - len(done) - len(false):,}", f"{len(false)}")
    return table, good and not false


@contextmanager
def open_services(site: Site) -> Iterator[Services]:
    """Yield the product's own parts on the site."""
    settings = Settings(
        database_url=site.database_url,
        redis_url=site.redis_url,
        connections_file=site.folder / "connections.toml",
        data_dir=site.folder / "data",
        pool_size=2 * THREADS,
    )
    services = build(settings)
    try:
        yield services
    finally:
        services.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.drift", description=__doc__)
    parser.add_argument("writes", nargs="?", type=int, default=WRITES)
    writes = parser.parse_args().writes
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # What would be one incident is left as so many findings: here each is to be counted.
    plan = replace(drift_plan(), incident_writes=writes)
    with open_site(patients=PATIENTS) as site, open_services(site) as services:
        written = write(services, site, writes=writes)
        done = inject(Chart(site=site), written, changes=writes // 10)
        book = DriftWatchBook(services.engine, actor="bench", plan=plan)
        looks, seconds = full_pass(services, DriftLook(book=book, ehrs=services.ehr))
        cases = {row["command_id"]: row["kind"] for row in _ask(services, _CASES)}
        tally = services.doors.figures.snapshot().drift
        table, good = judge(done, cases, writes=writes)
    console = Console(width=120)
    console.print(table)
    console.print(f"{looks:,} looks in {seconds:.0f} s ({looks / seconds:.0f} a second), tenant {TENANT}")
    for figure in tally:
        told = ", ".join(f"{count:,} {finding}" for finding, count in figure.looks.items())
        console.print(f"{figure.adapter}: {figure.per_1000:.1f} in 1 000 looks drifted ({told})")
    sys.exit(0 if good and looks == writes else 1)


if __name__ == "__main__":
    main()
