"""A vital sign as somebody measured it: recorded, corrected, retracted; never computed or converted, and no alarm.

Source: US Core vital signs profiles on HL7 FHIR R4 (4.0.1) ``Observation``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from canonical import vital_rules
from canonical.action import Action, ActionSpec, FieldGroup, Finding, OperationRule
from canonical.clinical_context import (
    FUTURE_TOLERANCE,
    birth_errors,
    encounter_errors,
    future_errors,
    note_times,
    target_type_errors,
)
from canonical.clinical_time import ClinicalInstant, ClinicalTime
from canonical.datatypes import Annotation, CodeableConcept, Identifier, Period, Quantity, Reference, Text
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.observation import Confirmation, Oxygen, ReferenceRange, VitalComponent, VitalDevice
from canonical.ranges import Verdict
from canonical.vital_context import CONTEXT

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope


class VitalReading(Action):
    """One vital sign of one patient at one time. ``retract`` needs only its target and ``retractReason``."""

    TYPE: ClassVar[str] = "VitalReading"

    type: Literal["VitalReading"]
    operation: Literal["record", "correct", "retract"]
    category: tuple[CodeableConcept, ...] | None = None
    code: CodeableConcept | None = None
    value_quantity: Quantity | None = None
    data_absent_reason: CodeableConcept | None = None
    component: tuple[VitalComponent, ...] | None = None
    effective_date_time: ClinicalTime | None = None
    effective_period: Period | None = None
    issued: ClinicalInstant | None = None
    performer: tuple[Reference, ...] | None = None
    performer_role: Literal["nurse", "physician", "patient", "relatedPerson", "device", "other"] | None = None
    origin: Literal["clinicianMeasured", "patientReported", "deviceTransmitted"] | None = None
    verified_by: Reference | None = None
    body_site: CodeableConcept | None = None
    body_position: CodeableConcept | None = None
    method: CodeableConcept | None = None
    cuff_size: CodeableConcept | None = None
    device: VitalDevice | None = None
    oxygen: Oxygen | None = None
    state: Literal["rest", "exertion", "sleep"] | None = None
    how_obtained: Literal["measured", "stated", "estimated"] | None = None
    interpretation: tuple[CodeableConcept, ...] | None = None
    reference_range: tuple[ReferenceRange, ...] | None = None
    panel: Identifier | None = None
    derived_from: tuple[Reference, ...] | None = None
    confirmed: Confirmation | None = None
    note: tuple[Annotation, ...] | None = None
    retract_reason: Text | None = None


#: What ``correct`` may clear by ``null``.
_CLEARABLE = (
    "bodySite",
    "bodyPosition",
    "method",
    "cuffSize",
    "device",
    "oxygen",
    "state",
    "howObtained",
    "interpretation",
    "referenceRange",
    "verifiedBy",
)
#: A retraction says which reading and why; the code may name it once more.
_IN_RETRACT = frozenset({"type", "operation", "code", "note", "retractReason"})


def _retract_errors(action: VitalReading) -> list[FieldError]:
    content = sorted(stated(action) - _IN_RETRACT)
    return [
        *required_errors(action, ("retractReason",)),
        *unwanted_errors(action, content, "a retraction takes the reading as it stands"),
    ]


def _content_errors(envelope: Envelope, action: VitalReading) -> list[FieldError]:
    wrong = [
        *required_errors(action, ("code",)),
        *unwanted_errors(action, ("retractReason",), "only a retraction has it"),
        *vital_rules.code_errors(action),
        *vital_rules.time_errors(action),
    ]
    vital = vital_rules.vital_of(action)
    if vital is None:
        return wrong
    readings = vital_rules.measurements(action, vital)
    malformed = [error for reading in readings for error in reading.errors()]
    wrong += [*vital_rules.part_errors(action, vital), *vital_rules.context_errors(action, vital), *malformed]
    if not malformed:
        wrong += vital_rules.relation_errors(readings)
    judged = vital_rules.verdicts(envelope, action)
    return wrong + [reading.impossible() for reading, verdict in judged if verdict is Verdict.IMPOSSIBLE]


def _time_errors(envelope: Envelope, action: VitalReading, now: datetime) -> list[FieldError]:
    period = action.effective_period
    times = [
        ("/action/effectiveDateTime", action.effective_date_time),
        ("/action/effectivePeriod/start", period.start if period else None),
        ("/action/effectivePeriod/end", period.end if period else None),
        ("/action/issued", action.issued),
        *note_times(action.note),
    ]
    wrong = future_errors(times, now)
    if action.confirmed is not None and action.confirmed.when > now + FUTURE_TOLERANCE:
        detail = "more than 5 minutes in the future"
        wrong.append(FieldError(pointer="/action/confirmed/when", code="future-time", detail=detail))
    pointer = "/action/effectivePeriod/end" if period else "/action/effectiveDateTime"
    return wrong + birth_errors(envelope, pointer, vital_rules.time_of(action))


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    is_retraction = action.operation == "retract"
    return [
        *target_type_errors(envelope, {"Observation"}),
        *encounter_errors(envelope),
        *clear_errors(action, _CLEARABLE if action.operation == "correct" else ()),
        *(_retract_errors(action) if is_retraction else _content_errors(envelope, action)),
        *_time_errors(envelope, action, now),
    ]


def _of(envelope: Envelope) -> VitalReading:
    assert isinstance(envelope.action, VitalReading)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _confirmations(envelope: Envelope, _now: datetime) -> list[FieldError]:
    """Ask the author for a second look while there is one; a device's stream has nobody to ask."""
    action = _of(envelope)
    if action.confirmed is not None or envelope.author.role == "device":
        return []
    judged = vital_rules.verdicts(envelope, action)
    return [reading.implausible() for reading, verdict in judged if verdict is Verdict.IMPLAUSIBLE]


def _findings(envelope: Envelope, _now: datetime) -> list[Finding]:
    action = _of(envelope)
    if action.confirmed is not None or envelope.author.role != "device":
        return []
    return [
        Finding(
            kind="implausible_value",
            severity="low",
            holds=False,
            pointer=reading.implausible().pointer,
            detail=f"a device sent an unusual value of {reading.vital.title} and nobody was there to confirm it",
            series=vital_rules.series(envelope, action, reading.vital),
        )
        for reading, verdict in vital_rules.verdicts(envelope, action)
        if verdict is Verdict.IMPLAUSIBLE
    ]


def _marks(envelope: Envelope, now: datetime) -> tuple[str, ...]:
    action = _of(envelope)
    judged = {verdict for _, verdict in vital_rules.verdicts(envelope, action)}
    marks = {
        "critical": bool(judged & {Verdict.CRITICAL, Verdict.IMPLAUSIBLE}),
        "late": vital_rules.is_late(action, now),
    }
    return tuple(mark for mark, holds in marks.items() if holds)


def _business_code(action: VitalReading) -> str:
    vital = vital_rules.vital_of(action)
    return vital.key if vital else ""


SPEC = ActionSpec(
    model=VitalReading,
    operations={
        "record": OperationRule(creates=True),
        "correct": OperationRule(describes=frozenset({"code"})),
        "retract": OperationRule(takes_back=True),
    },
    undone_by={"record": ("correct",), "correct": ("correct",)},
    field_groups=(
        FieldGroup(
            name="value",
            fields=(
                "code",
                "valueQuantity",
                "dataAbsentReason",
                "component",
                "method",
                "bodySite",
                "bodyPosition",
                "cuffSize",
                "device",
                "oxygen",
                "state",
                "howObtained",
            ),
            significance="high",
        ),
        FieldGroup(name="time", fields=("effectiveDateTime", "effectivePeriod"), significance="high"),
        FieldGroup(
            name="source",
            fields=("performer", "performerRole", "origin", "verifiedBy", "issued", "panel", "derivedFrom"),
            significance="low",
        ),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=vital_rules.time_of,
    check=_check,
    confirmations=_confirmations,
    findings=_findings,
    context=CONTEXT,
    marks=_marks,
)
