"""In which element each resource type names the patient it is about. One type has one; a like-named element elsewhere is none.

Source: HL7 FHIR R4 (4.0.1), patient compartment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    """Return the record (``Patient/id`` of this EHR) that a merged Patient says is in use in its place."""
    links = patient.get("link")
    for link in links if isinstance(links, list) else []:
        found = reference_of(link.get("other"), base_url) if isinstance(link, Mapping) else None
        if found is not None and link.get("type") == "replaced-by" and found.startswith("Patient/"):
            return found
    return None


def survivor_of(patient: str, read: Callable[[str], Resource | None], *, base_url: str) -> str | None:
    """Return the record (``Patient/id``) in use in place of ``patient``, ``None`` where the chart names none.

    ``read`` gives a record by its reference, ``None`` where it is not shown.
    """
    survivor, passed = None, {patient}
    for _ in range(MOST_MERGES):
        following = replaced_by(read(survivor or patient) or {}, base_url)
        if following is None or following in passed:
            break
        survivor = following
        passed.add(following)
    return survivor
