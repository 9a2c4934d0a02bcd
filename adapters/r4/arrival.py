"""Whether a command arrives after a later one of ours has been applied: by the time that both state, never by when they came.

Source: HL7 FHIR R4 (4.0.1), the elements in which each type says when its content was stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.clinical_time import ClinicalTime
from canonical.errors import NeedsPersonError
from canonical.ports import Projection

#: Type → the canonical field that says when its content was stated.
STATED: Mapping[str, str] = {
    "Observation": "issued",
    "MedicationStatement": "dateAsserted",
    "MedicationRequest": "dateAsserted",
    "AllergyIntolerance": "recordedDate",
    "Condition": "recordedDate",
    "QuestionnaireResponse": "authored",
    "Immunization": "recorded",
    "Task": "authoredOn",
}


def check_not_overtaken(resource_type: str, content: Mapping[str, Any], projection: Projection) -> None:
    """Pass unless the chart's entry, written by us, was stated later than ``content`` (canonical fields as JSON).

    Where one of them states no time, nothing is known of their order. Raises :class:`NeedsPersonError` ``newer_applied``: send
    nothing.
    """
    name = STATED.get(resource_type, "")
    ours, theirs = _time(content.get(name)), _time(projection.get(name))
    if ours is not None and theirs is not None and theirs.interval[0] >= ours.interval[1]:
        raise NeedsPersonError("newer_applied", "A later entry of this service is in the chart already.")


def _time(value: Any) -> ClinicalTime | None:
    try:
        return ClinicalTime(value)
    except (TypeError, ValueError):
        return None
