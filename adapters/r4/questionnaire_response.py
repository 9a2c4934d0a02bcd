"""``PatientReportedOutcome`` as an R4 QuestionnaireResponse, told once for writing and reading. Answers go out as written.

A score stands in an extension beside the answers it came with: as an item it would be a question that nobody was asked, as an
Observation a finding that nobody made. What R4 has no element for stands in extensions too.

Source: HL7 FHIR R4 (4.0.1) QuestionnaireResponse; US Core patient-supplied tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import EXTENSION_BASE, Field, extension, plain, put
from adapters.r4.observation import PATIENT_SUPPLIED
from canonical.errors import NeedsPersonError
from canonical.ports import Resource
from canonical.reported_outcome_rules import TAKES

TYPE = "QuestionnaireResponse"
PARTIAL = "in-progress"
SCORE = EXTENSION_BASE + "score"
#: status of the chart → status after a correction. What is not listed can no longer be corrected.
CORRECTED: Mapping[str, str] = {PARTIAL: PARTIAL, "completed": "amended", "amended": "amended"}
#: Statuses from which a response is taken back.
RETRACTABLE = frozenset({PARTIAL, "completed", "amended", "stopped"})
#: Who answers at home. Source: US Core, patient data.
_AT_HOME = ("Patient", "RelatedPerson")


def _write_partial(resource: Resource, value: Any) -> None:
    resource["status"] = PARTIAL if value else "completed"


def _write_source(resource: Resource, value: Any) -> None:
    """Write who answered, and US Core's tag where that was the patient or somebody close to them."""
    said = value or {}
    named = said.get("type") or str(said.get("reference", "")).partition("/")[0]
    tags = [tag for tag in resource.get("meta", {}).get("tag", []) if not _is_patient_supplied(tag)]
    meta = dict(resource.get("meta", {}))
    put(meta, "tag", [*tags, dict(PATIENT_SUPPLIED)] if named in _AT_HOME else tags)
    put(resource, "meta", meta or None)
    put(resource, "source", value)


def _is_patient_supplied(tag: Mapping[str, Any]) -> bool:
    return all(tag.get(name) == value for name, value in PATIENT_SUPPLIED.items())


def _write_scores(resource: Resource, value: Any) -> None:
    kept = [item for item in resource.get("extension", []) if item.get("url") != SCORE]
    put(resource, "extension", [*kept, *map(_as_extension, value or [])])


def _as_extension(score: Mapping[str, Any]) -> dict[str, Any]:
    parts = [
        {"url": "code", "valueCodeableConcept": score["code"]},
        {"url": "value", "valueQuantity": score["valueQuantity"]},
    ]
    return {"url": SCORE, "extension": parts}


def _read_scores(resource: Resource) -> Any:
    found = (item.get("extension", []) for item in resource.get("extension", []) if item.get("url") == SCORE)
    scores = ({part.get("url"): part for part in parts} for parts in found)
    return [
        {
            "code": parts.get("code", {}).get("valueCodeableConcept"),
            "valueQuantity": parts.get("value", {}).get("valueQuantity"),
        }
        for parts in scores
    ]


#: Every field of ``PatientReportedOutcome``.
FIELDS: tuple[Field, ...] = (
    plain("questionnaire"),
    Field(
        name="partial", read=lambda resource: True if resource.get("status") == PARTIAL else None, write=_write_partial
    ),
    plain("authored"),
    Field(name="source", read=lambda resource: resource.get("source"), write=_write_source),
    plain("item"),
    Field(name="score", read=_read_scores, write=_write_scores),
    plain("basedOn"),
    extension("retractReason", "valueString"),
)


def record(change: Change) -> Resource:
    """Build the QuestionnaireResponse of answers newly given."""
    refuse_besides(change, TAKES["record"])
    resource = new_resource(TYPE, change, status="completed")
    put(resource, "encounter", change.encounter)
    put(resource, "author", change.author)
    write_fields(resource, FIELDS, change.content)
    return resource


def correct(change: Change) -> Resource:
    """Build the target with the corrected answers; an unfinished one is finished by ``partial`` being false.

    Raises :class:`NeedsPersonError` ``status_ended``, ``status_backwards`` or ``other_questionnaire``: send nothing.
    """
    refuse_besides(change, TAKES["correct"])
    resource = _target(change, frozenset(CORRECTED))
    before, partial = resource["status"], change.content.get("partial")
    if partial is True and before != PARTIAL:
        raise NeedsPersonError(
            "status_backwards", "The answers are complete in the chart, and do not become partial again."
        )
    kept = {"partial", "questionnaire"}
    write_fields(resource, FIELDS, {name: value for name, value in change.content.items() if name not in kept})
    resource["status"] = "completed" if before == PARTIAL and partial is False else CORRECTED[before]
    return resource


def retract(change: Change) -> Resource:
    """Build the target as entered in error with the reason, its answers unchanged; raises as :func:`correct`."""
    refuse_besides(change, TAKES["retract"])
    resource = _target(change, RETRACTABLE)
    resource["status"] = "entered-in-error"
    write_fields(resource, FIELDS, {"retractReason": change.content.get("retractReason")})
    return resource


def _target(change: Change, statuses: frozenset[str]) -> Resource:
    resource = copy_of_current(change)
    if resource.get("status") not in statuses:
        raise NeedsPersonError("status_ended", "The answers have a status from which this change is not possible.")
    named, here = change.content.get("questionnaire"), resource.get("questionnaire")
    if named is not None and not _is_same_questionnaire(named, here):
        raise NeedsPersonError("other_questionnaire", "The target answers another questionnaire than the action names.")
    return resource


def _is_same_questionnaire(named: str, here: Any) -> bool:
    """Whether both name one questionnaire; a version counts only where both state one."""
    (one, _, version), (other, _, its) = named.partition("|"), str(here or "").partition("|")
    return one == other and (not version or not its or version == its)


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("PatientReportedOutcome", "record"): Handler(resource_type=TYPE, build=record, creates=True),
    ("PatientReportedOutcome", "correct"): Handler(resource_type=TYPE, build=correct),
    ("PatientReportedOutcome", "retract"): Handler(resource_type=TYPE, build=retract),
}
