"""Finding what the chart has already of a patient, by content and not by identifier; not what follows from it."""

from collections.abc import Iterator

from sandbox import written_json
from sandbox.chart import StoredVersion
from sandbox.clinical_interval import interval_of
from sandbox.personality import Resource, Situation
from sandbox.references import elements_at, local_reference, reference_text
from sandbox.resource_types import RESOURCE_TYPES


def entries_of(at: Situation, type: str, patient: str | None) -> Iterator[tuple[StoredVersion, Resource]]:
    """The patient's current entries of a type; `patient` is a local reference."""
    for stored in at.chart.resources(type):
        resource = written_json.loads(stored.body)
        if patient is not None and patient_of(at, resource) == patient:
            yield stored, resource


def patient_of(at: Situation, resource: Resource) -> str | None:
    """The local reference of the patient a resource is about."""
    element = RESOURCE_TYPES[resource["resourceType"]].subject
    text = reference_text(resource.get(element)) if element else None
    target = local_reference(text, at.chart.base) if text else None
    return "/".join(target) if target else None


def codings_of(resource: Resource, path: str = "code") -> set[tuple[str, str]]:
    """System and code of each coding of a concept."""
    return {
        (str(coding.get("system", "")), str(coding.get("code", "")))
        for coding in elements_at(resource, f"{path}.coding")
        if isinstance(coding, dict)
    }


def same_reading(at: Situation, resource: Resource) -> StoredVersion | None:
    """The patient's Observation of the same code at the same instant."""
    instant = _instant(resource)
    if instant is None:
        return None
    for stored, other in entries_of(at, "Observation", patient_of(at, resource)):
        if (
            other["status"] != "entered-in-error"
            and _instant(other) == instant
            and codings_of(other) & codings_of(resource)
        ):
            return stored
    return None


def _instant(resource: Resource) -> int | None:
    text = resource.get("effectiveDateTime")
    return interval_of(text)[0] if isinstance(text, str) else None
