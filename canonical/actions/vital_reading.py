"""A vital sign as somebody measured it: recorded, corrected, retracted; never computed or converted, and no alarm.

Source: US Core vital signs profiles on HL7 FHIR R4 (4.0.1) ``Observation``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.clinical_time import ClinicalInstant, ClinicalTime, SystemTime
from canonical.datatypes import (
    Annotation,
    Boolean,
    CodeableConcept,
    Element,
    Identifier,
    Period,
    Quantity,
    Range,
    Reference,
    Text,
)

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError


class ReferenceRange(Element):
    """``Observation.referenceRange``, passed on as the source gave it."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    applies_to: tuple[CodeableConcept, ...] | None = None
    age: Range | None = None
    text: Text | None = None


class VitalComponent(Element):
    """``Observation.component``: one number of several that mean something only together, or why it is missing."""

    code: CodeableConcept
    value_quantity: Quantity | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: tuple[CodeableConcept, ...] | None = None
    reference_range: tuple[ReferenceRange, ...] | None = None


class UdiCarrier(Element):
    """``Device.udiCarrier``."""

    device_identifier: Text | None = None
    carrier_hrf: Annotated[Text | None, Field(alias="carrierHRF")] = None


class VitalDevice(Element):
    """What measured it: a Device of the EHR by ``reference``, or described."""

    reference: Reference | None = None
    type: CodeableConcept | None = None
    udi_carrier: UdiCarrier | None = None
    serial_number: Text | None = None
    manufacturer: Text | None = None
    model_number: Text | None = None
    patient_owned: Boolean | None = None


class Oxygen(Element):
    """What was breathed while the saturation was read: ``roomAir`` true, or ``flow`` (L/min), ``concentration`` (%)."""

    room_air: Boolean | None = None
    flow: Quantity | None = None
    concentration: Quantity | None = None


class Confirmation(Element):
    """Who looked at an implausible value and said that it is right."""

    by: Identifier
    when: SystemTime


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


def _check(_envelope: Envelope, _now: datetime) -> list[FieldError]:
    return []


def _code(action: VitalReading) -> str:
    return (action.code and action.code.text) or ""


SPEC = ActionSpec(
    model=VitalReading,
    operations={
        "record": OperationRule(creates=True),
        "correct": OperationRule(),
        "retract": OperationRule(takes_back=True),
    },
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
    business_code=_code,
    clinical_time=lambda action: action.effective_date_time,
    check=_check,
)
