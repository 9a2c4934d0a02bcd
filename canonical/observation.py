"""The parts of an R4 ``Observation`` that a vital sign has besides its number; no resource and no rules.

Source: HL7 FHIR R4 (4.0.1), ``Observation`` and ``Device``; ``Oxygen`` and ``Confirmation`` are ours.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from canonical.clinical_time import SystemTime
from canonical.datatypes import Boolean, CodeableConcept, DataType, Identifier, Quantity, Range, Reference, Text


class ReferenceRange(DataType):
    """``Observation.referenceRange``, passed on as the source gave it."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    applies_to: tuple[CodeableConcept, ...] | None = None
    age: Range | None = None
    text: Text | None = None


class VitalComponent(DataType):
    """``Observation.component``: one number of several that mean something only together, or why it is missing."""

    code: CodeableConcept
    value_quantity: Quantity | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: tuple[CodeableConcept, ...] | None = None
    reference_range: tuple[ReferenceRange, ...] | None = None


class UdiCarrier(DataType):
    """``Device.udiCarrier``."""

    device_identifier: Text | None = None
    carrier_hrf: Annotated[Text | None, Field(alias="carrierHRF")] = None


class VitalDevice(DataType):
    """What measured it: a Device of the EHR by ``reference``, or described."""

    reference: Reference | None = None
    type: CodeableConcept | None = None
    udi_carrier: UdiCarrier | None = None
    serial_number: Text | None = None
    manufacturer: Text | None = None
    model_number: Text | None = None
    patient_owned: Boolean | None = None


class Oxygen(DataType):
    """What was breathed while the saturation was read: ``roomAir`` true, or ``flow`` (L/min), ``concentration`` (%)."""

    room_air: Boolean | None = None
    flow: Quantity | None = None
    concentration: Quantity | None = None


class Confirmation(DataType):
    """Who looked at an implausible value and said that it is right."""

    by: Identifier
    when: SystemTime
