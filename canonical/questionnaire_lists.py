"""The questions whose answer a person should see at once, and the limits of scores, as data. No answer is judged here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class SelfHarm:
    """How a question about harming oneself is known, and which of its answers say that there is nothing of the kind."""

    loinc: frozenset[str]
    words: tuple[str, ...]
    nothing_loinc: frozenset[str]
    nothing_words: frozenset[str]
    something_loinc: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ScoreLimits:
    """The lowest and highest value of a score, both possible."""

    title: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, kw_only=True)
class QuestionnaireLists:
    """The lists with who answers for them (``owner``, ``reviewed``); ``scores`` by LOINC code."""

    owner: str
    reviewed: date
    self_harm: SelfHarm
    scores: Mapping[str, ScoreLimits]


@cache
def questionnaire_lists() -> QuestionnaireLists:
    """Return the lists in force."""
    data = tomllib.loads(
        files("canonical").joinpath("data/questionnaire_lists.toml").read_text("utf-8"), parse_float=Decimal
    )
    scores = {
        code: ScoreLimits(title=row["title"], low=Decimal(row["range"][0]), high=Decimal(row["range"][1]))
        for code, row in data["scores"].items()
    }
    told = data["self_harm"]
    return QuestionnaireLists(
        owner=data["owner"],
        reviewed=data["reviewed"],
        self_harm=SelfHarm(
            loinc=frozenset(told["loinc"]),
            words=tuple(told["words"]),
            nothing_loinc=frozenset(told["nothing_loinc"]),
            nothing_words=frozenset(told["nothing_words"]),
            something_loinc=frozenset(told["something_loinc"]),
        ),
        scores=MappingProxyType(scores),
    )
