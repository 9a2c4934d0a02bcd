"""The vendor evaluation list as a page for people, rendered from what the adapters declare; nothing is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Capabilities, Landing, ProvenanceSearch, Way

_HEAD = """# What each EHR takes

Rendered from the tables of the files under `adapters/`; a test keeps this page equal to them. To change the page, change a
table and run `python -m adapters.vendor_list > docs/vendors.md`.

It says what the adapter knows. What a site's EHR takes today is the least of this table, the connection's contract flags, the
EHR's own CapabilityStatement and the scopes it granted: `writeback doctor` compares them. A fact marked *unconfirmed* is not from
the vendor's own word, and stands behind a setting whose default is the safe one.
"""
_SHORT = {Way.DIRECT: "yes", Way.REVIEW: "EHR's staff", Way.FALLBACK: "in words", Way.REFUSED: "no"}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _operations() -> list[tuple[str, str]]:
    return [(spec.type, operation) for spec in action_specs().values() for operation in spec.operations]


def overview(known: Mapping[str, Capabilities]) -> str:
    """Return every operation of every action by EHR: at once, by the EHR's staff, or not."""
    rows = (
        [f"`{action}.{operation}`", *(_SHORT[item.support(action, operation).way] for item in known.values())]
        for action, operation in _operations()
    )
    return _table(["operation", *(f"`{key}`" for key in known)], rows)


def _writes(item: Capabilities) -> str:
    rows = (
        [
            f"{name} {interaction}",
            write.meaning,
            write.precondition,
            "EHR's staff accept it" if write.landing is Landing.REVIEW else "chart",
            write.transport,
            write.answer,
            f"`{write.flag}`" if write.flag else "",
            write.source + ("" if write.confirmed else " (*unconfirmed*)"),
        ]
        for (name, interaction), write in item.writes.items()
    )
    head = ("verb", "what it does there", "guard", "lands in", "travels as", "answer", "contract flag", "source")
    return _table(head, rows)


def _facts(item: Capabilities) -> str:
    rows = [
        ("authentication", item.authentication),
        ("versions", item.versions),
        ("a stale update is answered", item.stale),
        ("`If-None-Exist`", "honoured" if item.conditional_create else "ignored or unknown: not relied on"),
        ("a write is found again by", "our identifier" if item.finds_by_mark else "patient, code, time and content"),
        ("proof", item.proof),
        ("slowest commit, search lag", f"{_seconds(item.slowest_commit)}, {_seconds(item.search_lag)}"),
        ("Provenance", item.provenance),
        ("who changed an entry is told by", _attribution(item)),
        ("the medication list is read from", _medication_list(item)),
        ("falls back to", ", ".join(f"{kind} (`{'.'.join(to)}`)" for kind, to in item.fallbacks.items()) or "nothing"),
        *((f"taking `{action}` back", how) for action, how in item.compensations.items()),
        *((limit.what, limit.most + _origin(limit.source, confirmed=limit.confirmed)) for limit in item.limits),
    ]
    return _table(("fact", "here"), rows)


def _medication_list(item: Capabilities) -> str:
    known = item.medication_list
    if not known.types:
        return "nothing that is known here: what is started is told to be unchecked"
    named = f", or what `{known.named_by}` names" if known.named_by else ""
    return ", ".join(known.types) + named + _origin(known.source, confirmed=known.confirmed)


def _attribution(item: Capabilities) -> str:
    """Return what an EHR shows of the changes of an entry, and whether it names who made them."""
    known = item.attribution
    shown = {
        "history": known.history,
        f"Provenance ({known.provenance})": known.provenance is not ProvenanceSearch.NONE,
        "`meta.source`": known.meta_source,
    }
    named = [name for name, is_shown in shown.items() if is_shown]
    people = "people are named" if known.names_authors else "nobody is named"
    told = (
        f"{', '.join(named)}; {people}"
        if named
        else "nothing but the time of the last change, where an entry states it"
    )
    return told + _origin(known.source, confirmed=known.confirmed)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"


def _origin(source: str, *, confirmed: bool) -> str:
    return f" ({source}{'' if confirmed else '; *unconfirmed*'})"


def _changes(item: Capabilities) -> str:
    rows = ([change.resource_type, f"`{change.element}`", change.what, change.source] for change in item.known_changes)
    return _table(("type", "element", "what becomes of it", "source"), rows)


def _refusals(item: Capabilities) -> str:
    rows = (
        [f"`{action}.{operation}`", item.support(action, operation).why]
        for action, operation in _operations()
        if item.support(action, operation).way is Way.REFUSED
    )
    return _table(("operation", "why not"), rows)


def section(key: str, item: Capabilities) -> str:
    """Return what is known of one EHR."""
    parts = [f"## `{key}`", _facts(item), "### Verbs", _writes(item)]
    if item.known_changes:
        parts += ["### Known changes between request and read-back", _changes(item)]
    if any(item.support(*name).way is Way.REFUSED for name in _operations()):
        parts += ["### Not taken", _refusals(item)]
    return "\n\n".join(parts)


def page() -> str:
    """Return the whole page as Markdown."""
    known = {key: adapter.capabilities for key, adapter in sorted(adapters().items())}
    sections = "\n\n".join(section(key, item) for key, item in known.items())
    return f"{_HEAD}\n## Overview\n\n{overview(known)}\n\n{sections}\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its output is the page
