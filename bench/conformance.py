"""The whole conformance suite as a campaign: every cell, then every fault at every operation that is written directly.

Run: ``.venv/bin/python -m bench.conformance``; ``--write`` writes ``docs/conformance.md``, ``--matrix`` leaves out the faults.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter

import structlog

from adapters import adapters
from tests.conformance import cell, examples, faults
from tests.conformance.desk import Desks
from tests.conformance.page import PATH, Outcomes, page
from tests.conformance.site import open_desks


def outcomes(desks: Desks) -> Outcomes:
    """Run every cell; the first that fails ends the run with its name."""
    found = {}
    for key in sorted(adapters()):
        begun = time.perf_counter()
        for action, operation in examples.operations():
            try:
                found[key, action, operation] = cell.run(desks.at(adapters()[key]), action, operation)
            except AssertionError as error:
                sys.exit(f"{key} {action}.{operation}: {error}")
        told = Counter(way.value for (adapter, _, _), way in found.items() if adapter == key)
        print(f"{key}: {dict(told)} in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    return found


def campaign(desks: Desks) -> None:
    """Play every fault at every operation of every adapter that it can befall; print what each came to."""
    for key in sorted(adapters()):
        ends: Counter[str] = Counter()
        for scenario, action, operation in faults.cases(desks.at(adapters()[key]).capabilities, every_operation=True):
            try:
                ends[f"{scenario.name}: {faults.play(desks.at(adapters()[key]), scenario, action, operation)}"] += 1
            except AssertionError as error:
                sys.exit(f"{key} {action}.{operation}, {scenario.name}: {error}")
        print(f"{key}:", *(f"  {name} ({count})" for name, count in sorted(ends.items())), sep="\n", file=sys.stderr)


def main() -> None:
    """Run the campaign; print or write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.conformance", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    parser.add_argument("--matrix", action="store_true", help="only the matrix, no faults")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with open_desks() as desks:
        told = page(outcomes(desks), adapters())
        if not chosen.matrix:
            campaign(desks)
    if chosen.write:
        PATH.write_text(told, encoding="utf-8")
    else:
        print(told, end="")


if __name__ == "__main__":
    main()
