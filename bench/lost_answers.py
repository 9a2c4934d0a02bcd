"""Creates whose answer is lost after the EHR committed them, at every adapter: each must be there exactly once.

Run: ``.venv/bin/python -m bench.lost_answers`` (1000 at each adapter; another number as argument). Which answers are lost
is drawn by the simulated EHR from ``--seed``; by default all are. One command at a time: it does not measure throughput.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from dataclasses import dataclass

import structlog
from rich.console import Console
from rich.table import Table

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Way
from tests.conformance import examples
from tests.conformance.desk import Desk, Desks
from tests.conformance.site import open_desks

COMMANDS, SEED = 1_000, 20_260_310
_WRITING = ("create", "update", "transaction")
#: Readings first: they are what an EHR gets most of.
_FIRST = ("VitalReading", "MedicationChange", "ProblemUpdate", "AllergyUpdate", "CareMessage", "ClinicalNote")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of the commands of one adapter; ``records`` in the chart or waiting for the EHR's staff."""

    operation: str
    writes: int
    lost: int
    records: int
    doubles: int
    missing: int
    ends: Counter[str]
    seconds: float


def creating(desk: Desk) -> tuple[str, str]:
    """Return the operation to send: the first that the EHR takes into its chart, else one that it keeps for review."""
    names = sorted(action_specs(), key=lambda name: (*_FIRST, name).index(name))
    found = [(name, examples.creating(name)) for name in names]
    for wanted in (Way.DIRECT, Way.REVIEW):
        for key in found:
            if desk.capabilities.support(*key).way is wanted:
                return key
    raise LookupError(f"{desk.adapter.key} takes no new entry")


def lose(desk: Desk, *, commands: int, seed: int, share: float) -> Result:
    """Send ``commands`` creates, each for a patient of its own, of whose answers a ``share`` is lost after the commit."""
    begun, since = time.perf_counter(), desk.last_request()
    action, operation = creating(desk)
    desk.sandbox.faults(
        *(
            {
                "id": kind,
                "fault": "commit_then_drop",
                "match": {"interaction": kind},
                "probability": share,
                "seed": seed,
            }
            for kind in _WRITING
        )
    )
    patients = [desk.admit() for _ in range(commands)]
    ends: Counter[str] = Counter()
    for patient in patients:
        ends[desk.drive(desk.submit(patient, examples.example(action, operation, desk.connection)))] += 1
    found = _records(desk)
    return Result(
        operation=f"{action}.{operation}",
        writes=len(desk.writes(since)),
        lost=sum(desk.sandbox.fired().values()),
        records=sum(found[patient] for patient in patients),
        doubles=sum(max(found[patient] - 1, 0) for patient in patients),
        missing=sum(not found[patient] for patient in patients),
        ends=ends,
        seconds=time.perf_counter() - begun,
    )


def _records(desk: Desk) -> Counter[str]:
    """Return how many entries clients have made, by patient: in the chart, or kept for the EHR's staff."""
    found: Counter[str] = Counter()
    for entry in desk.sandbox.resources():
        versions = desk.sandbox.history(f"{entry['resourceType']}/{entry['id']}")
        if versions[0]["source"] is None:
            found[_patient(entry)] += 1
    for item in desk.sandbox.admin.get("held").json()["held"]:
        found[_patient(item["resource"])] += 1
    return found


def _patient(resource: dict[str, dict[str, str]]) -> str:
    named = (resource.get(name, {}).get("reference", "") for name in ("subject", "patient", "for", "sender"))
    return next((text.removeprefix("Patient/") for text in named if text.startswith("Patient/")), "")


def run(desks: Desks, keys: list[str], *, commands: int, seed: int, share: float) -> bool:
    """Print a line for each adapter; return whether every record is there exactly once."""
    table = Table(
        *_HEAD, title=f"{commands} creates at each adapter, answers lost after commit: {share:.0%}, seed {seed}"
    )
    good = True
    for key in keys:
        result = lose(desks.at(adapters()[key]), commands=commands, seed=seed, share=share)
        good &= result.doubles == result.missing == 0
        numbers = (result.writes, result.lost, result.records, result.doubles, result.missing)
        told = ", ".join(f"{count} {state}" for state, count in sorted(result.ends.items()))
        table.add_row(key, result.operation, *(str(number) for number in numbers), told, f"{result.seconds:.0f} s")
    Console(width=140).print(table)
    return good


_HEAD = ("adapter", "operation", "writes", "lost answers", "records", "doubles", "missing", "ends", "took")


def main() -> None:
    """Run it; the exit status is 1 where a record is missing or there twice."""
    parser = argparse.ArgumentParser(prog="python -m bench.lost_answers", description=__doc__)
    parser.add_argument("commands", nargs="?", type=int, default=COMMANDS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--share", type=float, default=1.0, help="part of the answers that are lost, 0 to 1")
    parser.add_argument("--adapter", action="append", choices=sorted(adapters()), help="only this one; may be repeated")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with open_desks() as desks:
        keys = chosen.adapter or sorted(adapters())
        good = run(desks, keys, commands=chosen.commands, seed=chosen.seed, share=chosen.share)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
