"""The kinds of question a person may be asked: how urgent, whose, in which words. Data; not what may be answered."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from canonical.reviewer import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of what no row names: a person should look within a day.
SEVERITY_DEFAULT = 3
MOST_SEVERE, LEAST_SEVERE = 1, 4
#: Why those who judge entries of the chart say "another one"; the rest of the name says of what.
_OTHER = "other_"


@dataclass(frozen=True, kw_only=True)
class CaseKind:
    """One kind of case. ``maybe_there``: the write may be in the chart, which only a look there can deny.

    ``drifted``: it was proven to be in the chart, which says something else now. ``gathered``: all that one connection brings
    on one day is one thing to see to.
    """

    name: str
    severity: int
    words: str
    question: str
    pool: Pool = Pool.CLINICAL
    maybe_there: bool = False
    drifted: bool = False
    gathered: bool = False


@cache
def _table() -> Mapping[str, CaseKind]:
    kinds = _data()["kinds"]
    return {
        name: CaseKind(name=name, **(row | {"pool": Pool(row.get("pool", "clinical"))})) for name, row in kinds.items()
    }


@cache
def _data() -> dict[str, Any]:
    text = (files("canonical") / "data" / "case_kinds.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def case_kinds() -> Mapping[str, CaseKind]:
    """Return every kind that has a row, by name."""
    return _table()


def case_kind(name: str) -> CaseKind:
    """Return a kind by its name; one without a row is clinical, and asks in general words."""
    known = _table().get(name)
    if known is not None:
        return known
    said = name.removeprefix(_OTHER).replace("_", " ")
    words = f"another {said} than was meant" if name.startswith(_OTHER) else said
    question = "Decide whether this is sent: see what the chart and the proposal say."
    return CaseKind(name=name, severity=SEVERITY_DEFAULT, words=words, question=question)
