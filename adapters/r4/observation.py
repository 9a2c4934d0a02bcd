"""``VitalReading`` as an R4 Observation in the shape of the US Core vital signs, told once for writing and reading.

Nothing is converted or computed here. What R4 has no element for stands in extensions, so that it survives the round trip.

Source: HL7 FHIR R4 (4.0.1) Observation; US Core vital signs profiles and its patient-supplied tag; extensions
``observation-bodyPosition`` (R4) and those of the US Vital Signs guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.components import BREATHED, COMPONENT, CUFF, LOINC, SNOMED
from adapters.r4.device import DEVICE
from adapters.r4.fields import Field, agree, appended, choice, extension, has_code, plain, put
from adapters.r4.performers import PERFORMER, PERFORMER_ROLE, VERIFIED_BY
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
VITAL_SIGNS = {"coding": [{"system": CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}
#: US Core wants a saturation by pulse oximetry under both codes.
SPO2_CODES = ("59408-5", "2708-6")
PATIENT_SUPPLIED = {"system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-tags", "code": "patient-supplied"}
ORIGIN_TAGS = "urn:fhir-writeback:origin"
_VITALS = "http://hl7.org/fhir/us/vitals/StructureDefinition/"
#: state → (extension, concept).
STATES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "rest": (
        _VITALS + "ExerciseAssociationExt",
        {"coding": [{"system": SNOMED, "code": "263678003", "display": "At rest"}], "text": "rest"},
    ),
    "exertion": (_VITALS + "ExerciseAssociationExt", {"text": "exertion"}),
    "sleep": (_VITALS + "SleepStatusExt", {"text": "sleep"}),
}
VALUES = (
    "valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueRange",
    "valueRatio", "valueSampledData", "valueTime", "valueDateTime", "valuePeriod",
)  # fmt: skip
EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant")
#: status of the chart → status after a correction. What is not listed can no longer be corrected.
CORRECTED: Mapping[str, str] = {
    "final": "corrected",
    "amended": "corrected",
    "corrected": "corrected",
    "registered": "registered",
    "preliminary": "preliminary",
    "unknown": "unknown",
}


def _write_category(resource: Resource, value: Any) -> None:
    others = [item for item in value or [] if not has_code(item, CATEGORY, "vital-signs")]
    put(resource, "category", [VITAL_SIGNS, *others])


def _read_category(resource: Resource) -> Any:
    """Leave out the category that every vital sign has, which an action need not name."""
    return [item for item in resource.get("category", []) if not has_code(item, CATEGORY, "vital-signs")]


def _write_code(resource: Resource, value: Any) -> None:
    here = {code for code in SPO2_CODES if has_code(value, LOINC, code)}
    twins = [{"system": LOINC, "code": code} for code in SPO2_CODES if here and code not in here]
    put(resource, "code", {**value, "coding": [*value["coding"], *twins]} if twins else value)


def _tags(resource: Resource) -> list[dict[str, Any]]:
    return list(resource.get("meta", {}).get("tag", []))


def _is_patient_supplied(tag: Mapping[str, Any]) -> bool:
    return all(tag.get(name) == value for name, value in PATIENT_SUPPLIED.items())


def _write_origin(resource: Resource, value: Any) -> None:
    tags = [tag for tag in _tags(resource) if tag.get("system") != ORIGIN_TAGS and not _is_patient_supplied(tag)]
    if value == "patientReported":
        tags.append(dict(PATIENT_SUPPLIED))
    if value is not None:
        tags.append({"system": ORIGIN_TAGS, "code": value})
    meta = dict(resource.get("meta", {}))
    put(meta, "tag", tags)
    put(resource, "meta", meta or None)


def _read_origin(resource: Resource) -> Any:
    ours = next((tag.get("code") for tag in _tags(resource) if tag.get("system") == ORIGIN_TAGS), None)
    return ours or ("patientReported" if any(map(_is_patient_supplied, _tags(resource))) else None)


def _write_state(resource: Resource, value: Any) -> None:
    urls = {url for url, _ in STATES.values()}
    kept = [item for item in resource.get("extension", []) if item.get("url") not in urls]
    if value is not None:
        url, concept = STATES[value]
        kept.append({"url": url, "valueCodeableConcept": concept})
    put(resource, "extension", kept)


def _read_state(resource: Resource) -> Any:
    said = [
        (item.get("url"), item.get("valueCodeableConcept", {}).get("text")) for item in resource.get("extension", [])
    ]
    return next((state for state, (url, concept) in STATES.items() if (url, concept["text"]) in said), None)


#: Every field of ``VitalReading`` that reaches the chart; ``confirmed`` belongs to our own record.
FIELDS: tuple[Field, ...] = (
    Field(name="category", read=_read_category, write=_write_category),
    Field(name="code", read=lambda resource: resource.get("code"), write=_write_code),
    choice("valueQuantity", (*VALUES, "dataAbsentReason")),
    choice("dataAbsentReason", VALUES),
    COMPONENT,
    choice("effectiveDateTime", EFFECTIVE),
    choice("effectivePeriod", EFFECTIVE),
    plain("issued"),
    PERFORMER,
    PERFORMER_ROLE,
    VERIFIED_BY,
    Field(name="origin", read=_read_origin, write=_write_origin),
    plain("bodySite"),
    extension(
        "bodyPosition", "valueCodeableConcept", "http://hl7.org/fhir/StructureDefinition/observation-bodyPosition"
    ),
    plain("method"),
    CUFF,
    DEVICE,
    BREATHED,
    Field(name="state", read=_read_state, write=_write_state),
    extension("howObtained", "valueCode"),
    plain("interpretation"),
    plain("referenceRange"),
    extension("panel", "valueIdentifier"),
    plain("derivedFrom"),
    appended("note"),
)
#: What ``retract`` may carry: the reason, and the code by which its author knows the reading.
_RETRACT = ("code", "retractReason", "note")


def record(change: Change) -> Resource:
    """Build the Observation of a new reading."""
    resource = new_resource("Observation", change, status="final")
    put(resource, "encounter", change.encounter)
    write_fields(resource, FIELDS, {"category": None, **change.content})
    return resource


def correct(change: Change) -> Resource:
    """Build the target with the corrected content.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_measurement``: send nothing.
    """
    refuse_besides(change, (*(field.name for field in FIELDS), "confirmed"))
    resource = _target(change)
    resource["status"] = CORRECTED[resource["status"]]
    write_fields(resource, FIELDS, change.content)
    return resource


def retract(change: Change) -> Resource:
    """Build the target as entered in error, its content unchanged and the reason noted; raises as :func:`correct`."""
    refuse_besides(change, _RETRACT)
    resource = _target(change)
    resource["status"] = "entered-in-error"
    reason = change.content.get("retractReason")
    notes = [*(change.content.get("note") or []), *([{"text": reason}] if reason else [])]
    write_fields(resource, FIELDS, {"note": notes})
    return resource


def _target(change: Change) -> Resource:
    resource = copy_of_current(change)
    if resource.get("status") not in CORRECTED:
        raise NeedsPersonError("status_ended", "The reading was cancelled or marked as an error.")
    code = change.content.get("code")
    if code is not None and not agree(code, resource.get("code")):
        raise NeedsPersonError("other_measurement", "The target is another kind of measurement than the action names.")
    return resource


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("VitalReading", "record"): Handler(resource_type="Observation", build=record, creates=True),
    ("VitalReading", "correct"): Handler(resource_type="Observation", build=correct),
    ("VitalReading", "retract"): Handler(resource_type="Observation", build=retract),
}
