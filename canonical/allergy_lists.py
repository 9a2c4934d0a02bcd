"""The lists by which an allergy list is read: what says that nothing is known, latex, and wordings of other things, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from canonical.code_systems import RXNORM, SNOMED_CT, UNII
from canonical.concepts import codes, words
from canonical.wording import holds

_SYSTEMS = {"snomed": SNOMED_CT, "unii": UNII, "rxnorm": RXNORM}


@dataclass(frozen=True, kw_only=True)
class NoneKnown:
    """What says that nothing is known in one ``scope``: SNOMED CT ``code`` and ``display``, codes that said it ``earlier``.

    ``categories``: FHIR's categories of allergies that it speaks of; empty where it is not told by category.
    """

    scope: str
    code: str
    display: str
    earlier: frozenset[str]
    categories: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class AllergyLists:
    """The lists with who answers for them (``owner``, ``reviewed``); phrases are compared as whole words."""

    owner: str
    reviewed: date
    none_known: Mapping[str, NoneKnown]
    latex: frozenset[tuple[str, str]]
    latex_word: str
    says_none_known: tuple[str, ...]
    says_no_allergy: tuple[str, ...]


@cache
def allergy_lists() -> AllergyLists:
    """Return the lists in force."""
    data = tomllib.loads(files("canonical").joinpath("data/allergy_lists.toml").read_text("utf-8"))
    latex = {(_SYSTEMS[name], code) for name in _SYSTEMS for code in data["latex"][name]}
    return AllergyLists(
        owner=data["owner"],
        reviewed=data["reviewed"],
        none_known=MappingProxyType({scope: _none_known(scope, row) for scope, row in data["none_known"].items()}),
        latex=frozenset(latex),
        latex_word=data["latex"]["word"],
        says_none_known=tuple(data["phrases"]["none_known"]),
        says_no_allergy=tuple(data["phrases"]["no_allergy"]),
    )


def _none_known(scope: str, row: Mapping[str, Any]) -> NoneKnown:
    return NoneKnown(
        scope=scope,
        code=row["code"],
        display=row["display"],
        earlier=frozenset(row.get("earlier", ())),
        categories=frozenset(row.get("categories", ())),
    )


def none_known_code(scope: str) -> dict[str, Any]:
    """Return the ``CodeableConcept`` (JSON) that says that nothing is known in ``scope``."""
    said = allergy_lists().none_known[scope]
    return {"coding": [{"system": SNOMED_CT, "code": said.code, "display": said.display}], "text": said.display}


def none_known_scope(code: Any) -> str | None:
    """Return the scope in which a concept (JSON) says by its code that nothing is known; ``None``: it does not say so."""
    named = {value for system, value in codes(code) if system == SNOMED_CT}
    known = allergy_lists().none_known.values()
    return next((item.scope for item in known if named & {item.code, *item.earlier}), None)


def reads_as_none_known(code: Any) -> bool:
    """Whether a concept (JSON) says in words only that there is no allergy: no code tells of which kind."""
    return none_known_scope(code) is None and any(holds(text, allergy_lists().says_none_known) for text in words(code))


def contradicts(scope: str, *, code: Any, categories: Iterable[str]) -> bool | None:
    """Whether an active allergy (``code`` as JSON, FHIR's ``categories``) makes "nothing known" in ``scope`` untrue.

    ``None``: it cannot be told, because the allergy has no category, or names latex by word only.
    """
    lists, stated = allergy_lists(), frozenset(categories)
    if scope == "all":
        return True
    if scope == "latex":
        return True if codes(code) & lists.latex else None if _says_latex(code) else False
    return None if not stated else bool(stated & lists.none_known[scope].categories)


def _says_latex(code: Any) -> bool:
    return any(holds(text, (allergy_lists().latex_word,)) for text in words(code))
