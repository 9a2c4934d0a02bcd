"""The matrix of the suite as a page for people: how each operation of each action came to its end at each EHR. Only rendering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from canonical.action import action_specs
from canonical.capabilities import Way

PATH = Path(__file__).parents[2] / "docs/conformance.md"
COMMAND = "python -m bench.conformance --matrix --write"
#: (adapter, action, operation) → how it came to its end.
Outcomes = Mapping[tuple[str, str, str], Way]
_HEAD = f"""# Conformance

Rendered from a run of `tests/conformance`, which keeps this page equal to what it finds; `{COMMAND}` writes it anew.

Every operation of every action is sent at every adapter, through the product as it runs (PostgreSQL, a lane, a turn of a
worker, the proof), to the simulated EHR of that kind. Each case looks at the chart, the events, what the same command under the
same key comes to, and the command's state. What that proves is that adapter, product and simulated EHR agree; the simulated EHR
is made from the facts in [vendors.md](vendors.md), and no case here was run at a vendor's own.

- **direct**: it is in the chart and was read back equal, but for the declared changes of that EHR.
- **review**: the EHR keeps it for its own staff; it is in no chart, is not sent again, and is found once they took it over.
- **fallback**: the EHR takes no such entry; the command allowed it to be told in words, and was sent so.
- **refused**: the door says why; nothing is stored and nothing is sent.
"""
_WAYS = (Way.DIRECT, Way.REVIEW, Way.FALLBACK, Way.REFUSED)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counts(outcomes: Outcomes, adapter: str, action: str) -> str:
    """Return the cell of an adapter and an action: how many of its operations came to each end."""
    ways = [outcomes[adapter, action, operation] for operation in action_specs()[action].operations]
    return ", ".join(f"{ways.count(way)} {way}" for way in _WAYS if way in ways)


def matrix(outcomes: Outcomes, adapters: Iterable[str]) -> str:
    """Return a row for every adapter and a column for every action; raises ``KeyError`` naming a cell that was not run."""
    rows = ([f"`{key}`", *(counts(outcomes, key, name) for name in action_specs())] for key in adapters)
    return _table(("adapter", *(f"`{name}`" for name in action_specs())), rows)


def _totals(outcomes: Outcomes, adapters: Iterable[str]) -> str:
    rows = []
    for key in adapters:
        ways = [way for (adapter, _, _), way in outcomes.items() if adapter == key]
        rows.append([f"`{key}`", *(str(ways.count(way)) for way in _WAYS), str(len(ways))])
    return _table(("adapter", *_WAYS, "operations"), rows)


def _operations(outcomes: Outcomes, adapters: Iterable[str]) -> str:
    keys = list(adapters)
    rows = (
        [f"`{name}.{operation}`", *(outcomes[key, name, operation] for key in keys)]
        for name, spec in action_specs().items()
        for operation in spec.operations
    )
    return _table(("operation", *(f"`{key}`" for key in keys)), rows)


def page(outcomes: Outcomes, adapters: Iterable[str]) -> str:
    """Return the whole page as Markdown."""
    keys = sorted(adapters)
    parts = [
        _HEAD,
        "## By adapter and action",
        "",
        matrix(outcomes, keys),
        "",
        "## Counted",
        "",
        _totals(outcomes, keys),
        "",
        "## By operation",
        "",
        _operations(outcomes, keys),
    ]
    return "\n".join(parts) + "\n"
