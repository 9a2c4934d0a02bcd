"""One R4 value in plain words: a code by its text, a quantity with its unit, a time as written. No fields and no actions.

Doses follow what the ISMP and the Joint Commission ask for: no trailing zero, ``mcg`` and ``units`` spelled out, no ``<``.
Only what people read is put so: what is sent to an EHR stays as its author wrote it.

Source: ISMP, List of Error-Prone Abbreviations, Symbols, and Dose Designations; The Joint Commission, "Do Not Use" list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from canonical.code_systems import LOINC, RXNORM, SNOMED_CT, UCUM
from canonical.datatypes import (
    Annotation,
    CodeableConcept,
    Coding,
    Element,
    Identifier,
    Period,
    Quantity,
    Range,
    Ratio,
    Reference,
)

#: Code systems by the names that people know; any other is named by its address.
SYSTEMS: Mapping[str, str] = {
    LOINC: "LOINC",
    RXNORM: "RxNorm",
    SNOMED_CT: "SNOMED CT",
    UCUM: "UCUM",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://fdasis.nlm.nih.gov": "UNII",
}
#: Units of doses that are misread, as written or as UCUM codes.
DOSE_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("ug", "\N{MICRO SIGN}g", "\N{GREEK SMALL LETTER MU}g"), "mcg"),
    **dict.fromkeys(("U", "u", "IU", "iu", "[iU]", "[IU]", "[USP'U]"), "units"),
}
_COUNTED = re.compile(r"\{([^{}]+)\}")
#: Names of members that state doses, in whatever structure.
_DOSES = re.compile(r"dose|strength", re.IGNORECASE)
COMPARATORS: Mapping[str, str] = {"<": "less than", "<=": "at most", ">=": "at least", ">": "more than"}


def words(name: str) -> str:
    """Return a name in camel case as words: ``notTaking`` is ``not taking``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


def number(value: Decimal, *, is_dose: bool) -> str:
    """Return a number as written; of a dose without trailing zeros and without an exponent."""
    if not is_dose:
        return str(value)
    plain = f"{Decimal(value):f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _listed(head: str, more: list[str]) -> str:
    """Return what is told first, and the rest in brackets."""
    rest = "; ".join(item for item in more if item)
    return f"{head} ({rest})" if head and rest else head or rest


def _system(system: str | None) -> str:
    return SYSTEMS.get(system, system) if system else ""


def _coding(coding: Coding, *, told: str = "") -> str:
    chosen = {True: "chosen by the author", False: "not chosen by the author", None: ""}[coding.user_selected]
    code = " ".join(part for part in (_system(coding.system), coding.code) if part)
    display = f'"{coding.display}"' if coding.display and coding.display != told else ""
    version = f"version {coding.version}" if coding.version else ""
    return ", ".join(part for part in (" ".join(part for part in (code, display) if part), version, chosen) if part)


def _concept(concept: CodeableConcept) -> str:
    codings = concept.coding or ()
    head = concept.text or next((coding.display for coding in codings if coding.display), "") or ""
    return _listed(head, [_coding(coding, told=head) for coding in codings])


def _identifier(identifier: Identifier) -> str:
    kind = _concept(identifier.type) if identifier.type else ""
    return _listed(identifier.value or "", [identifier.system or "", identifier.use or "", kind])


def _reference(reference: Reference) -> str:
    identifier = _identifier(reference.identifier) if reference.identifier else ""
    return _listed(reference.display or "", [reference.reference or "", identifier, reference.type or ""])


def _period(period: Period) -> str:
    ends = (f"from {period.start}" if period.start else "", f"until {period.end}" if period.end else "")
    return " ".join(end for end in ends if end)


def _quantity(quantity: Quantity, *, is_dose: bool) -> str:
    code = quantity.code or ""
    # What is counted stands in braces: a word of people, not a code.
    counted = _COUNTED.fullmatch(code) if quantity.system == UCUM else None
    code = counted[1] if counted else code
    unit = quantity.unit or code
    shown = DOSE_UNITS.get(unit, unit) if is_dose else unit
    value = number(quantity.value, is_dose=is_dose) if quantity.value is not None else ""
    comparator = COMPARATORS[quantity.comparator] if quantity.comparator else ""
    head = " ".join(part for part in (comparator, value, shown) if part)
    system = _system(quantity.system)
    if system == "UCUM" and code in {unit, shown, unit.removesuffix("s")}:
        return head
    if counted:
        return _listed(head, [code])
    return _listed(head, [" ".join(part for part in (system, code) if part)])


def _range(range_: Range, *, is_dose: bool) -> str:
    low = _quantity(range_.low, is_dose=is_dose) if range_.low else ""
    high = _quantity(range_.high, is_dose=is_dose) if range_.high else ""
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


def _ratio(ratio: Ratio, *, is_dose: bool) -> str:
    halves = (ratio.numerator, ratio.denominator)
    return " per ".join(_quantity(half, is_dose=is_dose) for half in halves if half is not None)


def _annotation(note: Annotation) -> str:
    author = _reference(note.author_reference) if note.author_reference else ""
    return _listed(note.text, [author, note.author_string or "", str(note.time or "")])


#: type of a value → how it is told.
_TOLD: Mapping[type, Callable[[Any], str]] = {
    CodeableConcept: _concept,
    Coding: _coding,
    Identifier: _identifier,
    Reference: _reference,
    Period: _period,
    Annotation: _annotation,
    bool: lambda value: "yes" if value else "no",
    datetime: datetime.isoformat,
}
#: The same of amounts, which are told otherwise where they are doses.
_AMOUNTS: Mapping[type, Callable[..., str]] = {Quantity: _quantity, Range: _range, Ratio: _ratio}


def seen(value: Any, *, is_dose: bool = False) -> str:
    """Return a JSON value as text: what the chart said, member by member, as an author had it on the screen."""
    if isinstance(value, Mapping):
        members = (_member(str(name), item, is_dose=is_dose) for name, item in value.items())
        return f"({'; '.join(members)})"
    if isinstance(value, list | tuple):
        return ", ".join(seen(item, is_dose=is_dose) for item in value)
    if isinstance(value, bool):
        return _TOLD[bool](value)
    if isinstance(value, int | Decimal):
        return number(Decimal(value) if isinstance(value, int) else value, is_dose=is_dose)
    return "nothing" if value is None else str(value)


def _member(name: str, value: Any, *, is_dose: bool) -> str:
    within = is_dose or _DOSES.search(name) is not None
    if within and name in {"unit", "code"} and isinstance(value, str):
        value = DOSE_UNITS.get(value, value)
    if within and name == "comparator":
        value = COMPARATORS.get(value, value)
    return f"{words(name)}: {seen(value, is_dose=within)}"


def told(value: Any, *, is_dose: bool) -> str | None:
    """Return a value as one piece of text, ``None`` for a structure that needs lines of its own."""
    kind = type(value)
    if isinstance(value, Decimal):
        return number(value, is_dose=is_dose)
    if kind in _AMOUNTS:
        return _AMOUNTS[kind](value, is_dose=is_dose)
    if kind in _TOLD:
        return _TOLD[kind](value)
    if isinstance(value, Mapping):
        return seen(value, is_dose=is_dose)
    return None if isinstance(value, Element) else str(value)
