"""Whether the chart's Patient is the person the envelope names; a comparison, not a record-linkage engine."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from canonical.clinical_time import ClinicalTime
from canonical.errors import NeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canonical.envelope import PatientIdentity

#: Combining Diacritical Marks (U+0300 to U+036F): the accents of Latin, Greek and Cyrillic letters.
_ACCENTS = frozenset(chr(point) for point in range(0x300, 0x370))


def _members(patient: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a repeating element; an EHR may leave it out, or send null."""
    return [item for item in patient.get(name) or () if isinstance(item, dict)]


def _counts(letter: str) -> bool:
    """Whether ``letter`` tells names apart: marks outside the Latin accents are vowels or sounds of their script."""
    return letter.isalnum() or (unicodedata.category(letter).startswith("M") and letter not in _ACCENTS)


def folded(name: str) -> str:
    """Return ``name`` without case, accents, hyphens, apostrophes and spaces."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if _counts(letter))


def _same_family(patient: Mapping[str, Any], family: str) -> bool:
    """Whether any of the chart's names, previous ones included, has this family name."""
    names = (name.get("family") for name in _members(patient, "name"))
    wanted = folded(family)
    # A name of signs only folds to nothing, and nothing must not equal nothing.
    return bool(wanted) and wanted in {folded(name) for name in names if isinstance(name, str)}


def _has_identifier(patient: Mapping[str, Any], system: str | None, value: str) -> bool:
    return any(
        item.get("value") == value and (system is None or item.get("system") == system)
        for item in _members(patient, "identifier")
    )


def mismatches(patient: Mapping[str, Any], identity: PatientIdentity) -> list[str]:
    """Return the names of identity elements in which the chart's Patient (R4 JSON) differs from ``identity``."""
    wrong = []
    if identity.birth_date is not None and patient.get("birthDate") != identity.birth_date:
        wrong.append("birthDate")
    if identity.family is not None and not _same_family(patient, identity.family):
        wrong.append("family")
    number = identity.identifier
    if number is not None and number.value is not None and not _has_identifier(patient, number.system, number.value):
        wrong.append("identifier")
    return wrong


def check_patient(
    patient: Mapping[str, Any] | None, identity: PatientIdentity, clinical_time: ClinicalTime | None
) -> None:
    """Pass only if the chart's Patient (R4 JSON; ``None``: not there) is whom ``identity`` names, alive at that time.

    Raises :class:`NeedsPersonError` with kind ``identity_mismatch``, ``merged_patient`` or ``deceased``: send nothing.
    """
    if patient is None:
        raise NeedsPersonError("identity_mismatch", "The chart has no such patient.")
    replaced = any(item.get("type") == "replaced-by" for item in _members(patient, "link"))
    if patient.get("active") is False or replaced:
        raise NeedsPersonError("merged_patient", "The chart says that this patient's record was merged or closed.")
    wrong = mismatches(patient, identity)
    if wrong:
        raise NeedsPersonError("identity_mismatch", f"The chart's patient differs in: {', '.join(wrong)}.")
    _check_alive(patient, clinical_time)


def _may_be_after(clinical_time: ClinicalTime | None, died: Any) -> bool:
    """Whether the entry may speak of a time after ``died``; what cannot be read counts as after."""
    try:
        death = ClinicalTime(died)
    except (TypeError, ValueError):
        return True
    return clinical_time is None or clinical_time.interval[1] > death.interval[1]


def _check_alive(patient: Mapping[str, Any], clinical_time: ClinicalTime | None) -> None:

    if patient.get("deceasedBoolean") is True:
        raise NeedsPersonError("deceased", "The chart says that this patient has died.")
    died = patient.get("deceasedDateTime")
    if died is not None and _may_be_after(clinical_time, died):
        raise NeedsPersonError("deceased", "The chart says that this patient died before the time of this entry.")
