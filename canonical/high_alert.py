"""Medicines of which every change is looked at by a person: which list, and whether something names one of it. No dose rule."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from canonical.code_systems import RXNORM
from canonical.concepts import codes, words
from canonical.wording import plain

if TYPE_CHECKING:
    from datetime import date

    from canonical.envelope import Envelope

#: Fields of an action, and of what its author saw, that name a medicine.
_NAMING = ("medication", "ingredient")


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """One RxNorm ingredient (IN) of a list: its ``code``, the substance's ``name``, and where the code was ``verified``.

    ``verified`` says in words which source has this code for this substance; empty: nobody has looked it up yet.
    """

    code: str
    name: str = ""
    verified: str = ""


@dataclass(frozen=True, kw_only=True)
class HighAlertClass:
    """One class of medicines: its ``ingredients``, and ``names`` as whole words in lower case.

    An ingredient counts whether or not its code was verified: one too many makes a person look, one too few makes nobody look.
    """

    name: str
    ingredients: tuple[Ingredient, ...]
    names: frozenset[str]

    def is_meant(self, concept: Any) -> bool:
        """Whether a concept (JSON) names one of them, by code or by word."""
        coded = {code for system, code in codes(concept) if system == RXNORM}
        known = {item.code for item in self.ingredients}
        # "Insulin/glargine" is one word to a reader of sentences and two here.
        said = {part for text in words(concept) for word in plain(text).split() for part in word.strip("()").split("/")}
        return not (known.isdisjoint(coded) and self.names.isdisjoint({*said, *_hyphenated(said)}))


def _hyphenated(said: Iterable[str]) -> set[str]:
    return {part for word in said for part in word.split("-")}


@dataclass(frozen=True, kw_only=True)
class HighAlertList:
    """The list with who answers for it, until when, and after which source it was made."""

    owner: str
    reviewed: date
    next_review: date
    source: str
    classes: tuple[HighAlertClass, ...]

    def named_by(self, concepts: Iterable[Any]) -> tuple[str, ...]:
        """Return the names of the classes that any of ``concepts`` (JSON) belongs to."""
        told = list(concepts)
        return tuple(one.name for one in self.classes if any(one.is_meant(concept) for concept in told))

    @property
    def unverified(self) -> tuple[Ingredient, ...]:
        """Return the ingredients whose codes nobody has verified."""
        return tuple(item for one in self.classes for item in one.ingredients if not item.verified)


@cache
def shipped_list() -> HighAlertList:
    """Return the list that this product brings."""
    text = files("canonical").joinpath("data/high_alert_medicines.toml").read_text("utf-8")
    return read_list(tomllib.loads(text))


def read_list(data: Mapping[str, Any]) -> HighAlertList:
    """Return the list that a TOML document holds; raises ``KeyError`` naming what it lacks, or ``TypeError``.

    An ingredient is a table (``code``, ``name``, ``verified``, ``source``: one of the document's ``sources``), or its code alone,
    which then counts as not verified.
    """
    sources = data.get("sources", {})
    return HighAlertList(
        owner=data["owner"],
        reviewed=data["reviewed"],
        next_review=data["next_review"],
        source=data["source"],
        classes=tuple(
            HighAlertClass(
                name=row["name"],
                ingredients=tuple(_ingredient(item, sources) for item in row["ingredients"]),
                names=frozenset(row["names"]),
            )
            for row in data["class"]
        ),
    )


def _ingredient(row: Mapping[str, Any] | str, sources: Mapping[str, str]) -> Ingredient:
    if isinstance(row, str):
        return Ingredient(code=row)
    verified = sources[row["source"]] if row["verified"] else ""
    return Ingredient(code=row["code"], name=row["name"], verified=verified)


def medicines_of(envelope: Envelope) -> list[Any]:
    """Return every concept by which a command names a medicine, also as its author saw it in the chart."""
    seen = envelope.target.seen if envelope.target and envelope.target.seen else {}
    named = [said.get(name) for said in (envelope.action.as_json(), seen) for name in _NAMING]
    return [concept for value in named for concept in (value if isinstance(value, list) else [value]) if concept]
