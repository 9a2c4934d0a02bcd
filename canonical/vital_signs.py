"""Which measurements are vital signs, with their codes and units, read from data; no thresholds (see ``ranges``).

Source: US Core vital signs profiles; the table is ``data/vital_signs.toml``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from canonical.code_systems import LOINC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canonical.datatypes import CodeableConcept


@dataclass(frozen=True, kw_only=True)
class VitalSign:
    """One kind of measurement.

    ``units`` are the UCUM codes it may be stated in; ``parts`` the keys of components that must be there,
    ``optional_parts`` of those that may; ``part_only``: it is a component and never a reading; ``contexts`` the
    descriptive fields of a reading that mean something for it; ``ranges_of`` the key whose thresholds hold for it.
    """

    key: str
    title: str
    loinc: tuple[str, ...]
    units: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    optional_parts: tuple[str, ...] = ()
    part_only: bool = False
    contexts: tuple[str, ...] = ()
    ranges_of: str = ""


@dataclass(frozen=True, kw_only=True)
class _Table:
    vitals: Mapping[str, VitalSign]
    by_code: Mapping[str, VitalSign]
    unit_of_text: Mapping[str, str]


def _vital(key: str, row: Mapping[str, Any]) -> VitalSign:
    lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return VitalSign(**{"key": key, "ranges_of": key, **row, **lists})


@cache
def _table() -> _Table:
    data = tomllib.loads(files("canonical").joinpath("data/vital_signs.toml").read_text("utf-8"))
    vitals = {key: _vital(key, row) for key, row in data["vital"].items()}
    return _Table(
        vitals=MappingProxyType(vitals),
        by_code=MappingProxyType({code: vital for vital in vitals.values() for code in vital.loinc}),
        unit_of_text=MappingProxyType({text: unit for unit, texts in data["texts"].items() for text in texts}),
    )


def vital_signs() -> Mapping[str, VitalSign]:
    """Return every vital sign by key."""
    return _table().vitals


def named_by(concept: CodeableConcept) -> tuple[VitalSign, ...]:
    """Return the different vital signs that the LOINC codings of ``concept`` name; one, if all is well."""
    codes = [coding.code for coding in concept.coding or () if coding.system == LOINC and coding.code]
    found = {vital.key: vital for vital in map(_table().by_code.get, codes) if vital is not None}
    return tuple(found.values())


def unit_meant(text: str) -> str | None:
    """Return the UCUM unit that a unit written for people stands for, if it is one we know."""
    return _table().unit_of_text.get(" ".join(text.casefold().split()))
