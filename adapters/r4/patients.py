"""In which element each resource type names the patient it is about. One type has one; a like-named element elsewhere is none.

Source: HL7 FHIR R4 (4.0.1), patient compartment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.references import reference_of
from canonical.ports import Resource

SUBJECT = "subject"
#: Types that do not call it ``subject``.
_ELEMENTS: Mapping[str, str] = {"AllergyIntolerance": "patient", "Immunization": "patient", "Task": "for"}

#: Merges that are followed from a record to the one in use.
MOST_MERGES = 5


def patient_element(resource_type: str) -> str:
    """Return the element by which resources of a type name their patient."""
    return _ELEMENTS.get(resource_type, SUBJECT)


def patient_reference(resource: Resource, base_url: str) -> str | None:
    """Return whom ``resource`` is about, as ``Type/id`` of this EHR, or what it says where that is elsewhere."""
    return reference_of(resource.get(patient_element(str(resource.get("resourceType")))), base_url)


def replaced_by(patient: Resource, base_url: str) -> str | None:
    """Return the record (``Patient/id`` of this EHR) that a merged Patient says is in use in its place.

    ``None`` where it names none of this EHR, or more than one: nobody guesses which.
    """
    named = {reference_of(link.get("other"), base_url) for link in _replacing(patient)}
    found = next(iter(named)) if len(named) == 1 else None
    return found if found is not None and found.startswith("Patient/") else None


def says_replaced(patient: Resource) -> bool:
    """Return whether a Patient says that it was merged at all."""
    return bool(_replacing(patient))


def _replacing(patient: Resource) -> list[Mapping[str, Any]]:
    links = patient.get("link")
    listed = links if isinstance(links, list) else []
    return [link for link in listed if isinstance(link, Mapping) and link.get("type") == "replaced-by"]
