"""Whether the chart's Patient is the person the envelope names; a comparison, not a record-linkage engine."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from canonical.clinical_time import ClinicalTime
from canonical.errors import NeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from canonical.envelope import PatientIdentity


def folded(name: str) -> str:
    """Return ``name`` without case, accents, hyphens, apostrophes and spaces."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _same_family(patient: Mapping[str, Any], family: str) -> bool:
    """Whether any of the chart's names, previous ones included, has this family name."""
    names = (name.get("family") for name in patient.get("name", []) if isinstance(name, dict))
    return folded(family) in {folded(name) for name in names if isinstance(name, str)}


def _has_identifier(patient: Mapping[str, Any], system: str | None, value: str) -> bool:
    return any(
        item.get("value") == value and (system is None or item.get("system") == system)
        for item in patient.get("identifier", [])
        if isinstance(item, dict)
    )


def mismatches(patient: Mapping[str, Any], identity: PatientIdentity) -> list[str]:
    """Return the names of identity elements in which the chart's Patient (R4 JSON) differs from ``identity``."""
    wrong = []
    if identity.birth_date is not None and patient.get("birthDate") != identity.birth_date:
        wrong.append("birthDate")
    if identity.family is not None and not _same_family(patient, identity.family):
        wrong.append("family")
    number = identity.identifier
    if (
        number is not None
        and number.value is not None
        and not _has_identifier(patient, number.system, number.value)
    ):
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
    links = patient.get("link", [])
    if patient.get("active") is False or any(item.get("type") == "replaced-by" for item in links):
        raise NeedsPersonError(
            "merged_patient", "The chart says that this patient's record was merged or closed."
        )
    wrong = mismatches(patient, identity)
    if wrong:
        raise NeedsPersonError("identity_mismatch", f"The chart's patient differs in: {', '.join(wrong)}.")
    _check_alive(patient, clinical_time)


def _check_alive(patient: Mapping[str, Any], clinical_time: ClinicalTime | None) -> None:

    if patient.get("deceasedBoolean") is True:
        raise NeedsPersonError("deceased", "The chart says that this patient has died.")
    died = patient.get("deceasedDateTime")
    if isinstance(died, str) and (
        clinical_time is None or clinical_time.interval[1] > ClinicalTime(died).interval[1]
    ):
        raise NeedsPersonError(
            "deceased", "The chart says that this patient died before the time of this entry."
        )
