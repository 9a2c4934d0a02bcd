"""``CodeableConcept`` as JSON: its codes, its words, and whether two name the same thing. No terminology, no translation.

Source: HL7 FHIR R4 (4.0.1), data types, ``CodeableConcept``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from canonical.code_systems import CVX, ICD_10_CM, RXNORM, SNOMED_CT, UNII
from canonical.errors import FieldError
from canonical.wording import plain

if TYPE_CHECKING:
    from canonical.datatypes import CodeableConcept

#: What a code of these systems looks like; nothing says that there is such a code.
SYNTAX: Mapping[str, tuple[re.Pattern[str], str]] = {
    SNOMED_CT: (re.compile(r"[1-9]\d{5,17}"), "a SNOMED CT code is a number of 6 to 18 digits"),
    ICD_10_CM: (re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?"), "an ICD-10-CM code reads like E11.9"),
    RXNORM: (re.compile(r"[1-9]\d{0,7}"), "an RxNorm code is a number of 1 to 8 digits"),
    CVX: (re.compile(r"\d{1,3}"), "a CVX code is a number of 1 to 3 digits"),
    UNII: (re.compile(r"[0-9A-Z]{10}"), "a UNII has ten capital letters and digits"),
}


def codings(concept: Any) -> list[Mapping[str, Any]]:
    """Return the codings of a concept's JSON that are any."""
    found = concept.get("coding") if isinstance(concept, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def codes(concept: Any) -> frozenset[tuple[str, str]]:
    """Return (system, code) of every coding that has a code; a coding without a system has an empty one."""
    named = ((item.get("system"), item.get("code")) for item in codings(concept))
    return frozenset((str(system or ""), code) for system, code in named if isinstance(code, str))


def words(concept: Any) -> tuple[str, ...]:
    """Return what a concept says in words: its text and the displays of its codings."""
    text = concept.get("text") if isinstance(concept, Mapping) else None
    said = [text, *(item.get("display") for item in codings(concept))]
    return tuple(item for item in said if isinstance(item, str))


def same_concept(one: Any, other: Any) -> bool:
    """Whether two concepts name the same: by one coding in common, or in the same words."""
    if codes(one) & codes(other):
        return True
    first, second = ({plain(text) for text in words(concept)} - {""} for concept in (one, other))
    return bool(first & second)


def syntax_errors(pointer: str, concept: CodeableConcept | None) -> list[FieldError]:
    """Return an error for each coding at ``pointer`` whose code cannot be one of its system."""
    wrong = []
    for at, coding in enumerate((concept.coding if concept else None) or ()):
        pattern, detail = SYNTAX.get(coding.system or "", (None, ""))
        if pattern is not None and not pattern.fullmatch(coding.code or ""):
            wrong.append(FieldError(pointer=f"{pointer}/coding/{at}/code", code="code-syntax", detail=detail))
    return wrong
