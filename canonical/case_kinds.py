"""The kinds of question a person may be asked: how urgent, whose, in which words. Data; not what may be answered."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
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


class CausePart(StrEnum):
    """What cases of one connection and kind may have in common. Never anything that says who the patient is, nor free text."""

    #: The day (UTC) on which they were opened.
    DAY = "day"
    #: What the command does, by its type.
    ACTION = "action"
    #: What the EHR answered, or the code that it has no counterpart for (``system|code``).
    CODE = "code"
    #: The version of the mapping that made, or could not make, what is sent.
    MAPPING = "mapping"
    #: Which merge of two records, by the number of its line in the map of patients.
    MERGE = "merge"


#: What is neither a code nor a version by its form is not kept: nobody knows what it would say.
_A_CODE = re.compile(r"[\w.:/|#~^()+-]{1,200}", re.ASCII)
_NOT_KEPT = "other"


@dataclass(frozen=True, kw_only=True)
class CaseKind:
    """One kind of case. ``maybe_there``: the write may be in the chart, which only a look there can deny.

    ``drifted``: it was proven to be in the chart, which says something else now. ``cause``: what cases of one connection must
    have in common to be one thing to see to (``()``: the connection alone); ``None``: each stands for itself.
    """

    name: str
    severity: int
    words: str
    question: str
    pool: Pool = Pool.CLINICAL
    maybe_there: bool = False
    drifted: bool = False
    cause: tuple[CausePart, ...] | None = None


@cache
def _table() -> Mapping[str, CaseKind]:
    return {name: _kind(name, row) for name, row in _data()["kinds"].items()}


@cache
def _data() -> dict[str, Any]:
    text = (files("canonical") / "data" / "case_kinds.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _kind(name: str, row: Mapping[str, Any]) -> CaseKind:
    cause = tuple(CausePart(part) for part in row["cause"]) if "cause" in row else None
    return CaseKind(name=name, **(dict(row) | {"pool": Pool(row.get("pool", "clinical")), "cause": cause}))


def cause_told(kind: CaseKind, known: Mapping[CausePart, str]) -> str:
    """Return what is ``known`` of the cause of a case, of the parts that its kind asks for: ``code=http-422 mapping=r4/1``."""
    parts = [part for part in kind.cause or () if known.get(part)]
    return " ".join(f"{part}={known[part] if _A_CODE.fullmatch(known[part]) else _NOT_KEPT}" for part in parts)


def has_cause(kind: CaseKind, known: Mapping[CausePart, str]) -> bool:
    """Return whether a case of ``kind`` is gathered with others: of patients' merges only with those of the same merge."""
    return kind.cause is not None and (CausePart.MERGE not in kind.cause or CausePart.MERGE in known)


def cause_parts(cause: str) -> tuple[tuple[CausePart, str], ...]:
    """Return the parts of a cause as it is stored."""
    parts = (word.partition("=") for word in cause.split())
    return tuple((CausePart(name), value) for name, _, value in parts)


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
