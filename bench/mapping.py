"""Vital signs planned and validated a second on one core, by adapter, beside a bare ``json.dumps`` of the same resource.

Run: ``.venv/bin/python -m bench.mapping`` (2000 at each adapter; another number as argument). Nothing is sent, no chart
is read.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from adapters import adapters
from adapters.adapter import Adapter
from adapters.site import Site
from canonical import exact_json
from canonical.capabilities import Way, within_contract
from canonical.command import Command
from canonical.ports import Surrounding
from tests.conformance import examples
from tests.conformance.connection import connection_of, options_of
from tests.factories import CommandFactory, EnvelopeFactory

READINGS = 2_000
BASE = "https://ehr.example"
_RECORD = ("VitalReading", "record")


def a_second(work: Callable[[], object], times: int) -> float:
    """Return how often ``work`` is done in a second of one core."""
    work()
    begun = time.process_time()
    for _ in range(times):
        work()
    return times / (time.process_time() - begun)


def site_of(adapter: Adapter) -> Site:
    """Return the connection of the conformance suite, without a server."""
    connection = connection_of(adapter.key)
    native = {"native_url": f"{BASE}{connection.native}"} if connection.native else {}
    return Site(base_url=f"{BASE}/fhir", options={**options_of(adapter), **native})


def reading(key: str) -> Command:
    """Return the suite's vital sign as a command of this adapter's connection."""
    connection = connection_of(key)
    at = {"encounter": {"reference": "Encounter/e1"}} if _RECORD[0] in connection.visits else {}
    return CommandFactory(envelope=EnvelopeFactory(action=examples.example(*_RECORD, connection), **at))


def measure(adapter: Adapter, times: int) -> tuple[float, float]:
    """Return vital signs planned a second, and the same resource dumped a second."""
    site, command = site_of(adapter), reading(adapter.key)
    connected = adapter.connected(site)
    (operation,) = connected.plan(command, Surrounding(), site)
    said = json.loads(exact_json.dumps(connected.said(operation, site)))
    planned = a_second(lambda: connected.plan(command, Surrounding(), site), times)
    return planned, a_second(lambda: json.dumps(said), times * 10)


def main() -> None:
    """Print a line for each adapter that takes vital signs."""
    parser = argparse.ArgumentParser(prog="python -m bench.mapping", description=__doc__)
    parser.add_argument("readings", nargs="?", type=int, default=READINGS)
    times = parser.parse_args().readings
    table = Table("adapter", "planned and validated", "bare json.dumps", "ratio", title="a second on one core")
    for key, adapter in sorted(adapters().items()):
        declared = within_contract(adapter.capabilities, site_of(adapter).options)
        if declared.support(*_RECORD).way not in {Way.DIRECT, Way.REVIEW}:
            table.add_row(key, "takes no vital sign", "", "")
            continue
        planned, dumped = measure(adapter, times)
        table.add_row(key, f"{planned:.0f}", f"{dumped:.0f}", f"1 : {dumped / planned:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
