"""Entries that a new one will name without changing them: each is there, is this patient's, and is no error. It reads nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from canonical.errors import NeedsPersonError

#: By which field a projection names the patient; where nothing is mapped, by FHIR's element of the type.
_PATIENTS = ("subject", "patient", "for")
#: A status by which an entry says nothing of the patient. Source: HL7 FHIR R4, ``status`` and ``verificationStatus``.
_ERROR = "entered-in-error"


def check_mentioned(told: Mapping[str, Any] | None, patients: Collection[str]) -> None:
    """Pass only an entry (a projection, ``None`` where there is none) of one of ``patients`` (``Patient/id``) that is valid.

    Raises :class:`NeedsPersonError` ``mentioned_gone``, ``wrong_patient`` or ``mentioned_in_error``: send nothing.
    """
    if told is None:
        raise NeedsPersonError("mentioned_gone", "An entry that is referred to is not in the chart.")
    named = next((told[name] for name in _PATIENTS if told.get(name)), None)
    if not isinstance(named, Mapping) or named.get("reference") not in patients:
        raise NeedsPersonError("wrong_patient", "An entry that is referred to is not known to be this patient's.")
    if _ERROR in (told.get("status"), told.get("verificationStatus")):
        raise NeedsPersonError("mentioned_in_error", "An entry that is referred to was marked as an error.")
