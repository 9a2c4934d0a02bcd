"""The lists behind the dose rules, read from data: counted units and weekly medicines. No terminology and no rules."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date


@dataclass(frozen=True, kw_only=True)
class WeeklyMedicine:
    """A medicine that is never taken more often than weekly: RxNorm ``ingredient``, its ``names``, SNOMED ``routes``."""

    ingredient: str
    names: tuple[str, ...]
    routes: frozenset[str]

    def is_meant(self, codes: Iterable[str], words: frozenset[str]) -> bool:
        """Whether RxNorm ``codes`` or the ``words`` of the medicine's text (lower case) name it."""
        return self.ingredient in set(codes) or not words.isdisjoint(self.names)


@dataclass(frozen=True, kw_only=True)
class SafetyLists:
    """The lists with who answers for them (``owner``, ``reviewed``); ``counted`` maps each name to the thing counted."""

    owner: str
    reviewed: date
    counted: Mapping[str, str]
    weekly: tuple[WeeklyMedicine, ...]


@cache
def safety_lists() -> SafetyLists:
    """Return the lists in force."""
    data = tomllib.loads(files("canonical").joinpath("data/medication_safety.toml").read_text("utf-8"))
    return SafetyLists(
        owner=data["owner"],
        reviewed=data["reviewed"],
        counted=MappingProxyType({name: thing for thing, names in data["counted"].items() for name in names}),
        weekly=tuple(
            WeeklyMedicine(
                ingredient=row["ingredient"], names=tuple(row["names"]), routes=frozenset(row.get("routes", ()))
            )
            for row in data["weekly"]
        ),
    )


def counted_unit(text: str | None) -> str | None:
    """Return the thing that ``text`` (a unit for people, or a UCUM annotation) counts, if it counts."""
    word = re.sub(r"\(s\)|[{}.]", "", (text or "").casefold()).strip()
    singulars = [word, word.removesuffix("s"), word.removesuffix("es"), re.sub(r"ies$", "y", word)]
    known = safety_lists().counted
    return next((known[form] for form in singulars if form in known), None)
