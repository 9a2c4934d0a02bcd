"""A vaccination that was given, here or before, or that was not given and why; corrected, taken back. No order and no forecast.

Source: HL7 FHIR R4 (4.0.1) ``Immunization``; US Core Immunization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from canonical import immunization_rules as rules
from canonical.action import Action, ActionSpec, FieldGroup, Finding, OperationRule
from canonical.clinical_context import encounter_errors, target_type_errors
from canonical.clinical_time import ClinicalDate, ClinicalTime
from canonical.code_systems import CVX
from canonical.datatypes import Annotation, Boolean, CodeableConcept, Quantity, Reference, Text
from canonical.immunization import ImmunizationPerformer, ImmunizationReaction, ProtocolApplied
from canonical.immunization_surroundings import SURROUNDINGS

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError


class ImmunizationRecord(Action):
    """One dose of one vaccine; ``primarySource``: recorded by whoever gave it, else reported (``reportOrigin``)."""

    TYPE: ClassVar[str] = "ImmunizationRecord"

    type: Literal["ImmunizationRecord"]
    operation: Literal["record", "recordNotDone", "correct", "retract"]
    vaccine_code: CodeableConcept | None = None
    occurrence_date_time: ClinicalTime | None = None
    occurrence_string: Text | None = None
    primary_source: Boolean | None = None
    report_origin: CodeableConcept | None = None
    status_reason: CodeableConcept | None = None
    lot_number: Text | None = None
    expiration_date: ClinicalDate | None = None
    manufacturer: Reference | None = None
    site: CodeableConcept | None = None
    route: CodeableConcept | None = None
    dose_quantity: Quantity | None = None
    performer: tuple[ImmunizationPerformer, ...] | None = None
    funding_source: CodeableConcept | None = None
    program_eligibility: tuple[CodeableConcept, ...] | None = None
    protocol_applied: tuple[ProtocolApplied, ...] | None = None
    reaction: tuple[ImmunizationReaction, ...] | None = None
    reason_code: tuple[CodeableConcept, ...] | None = None
    recorded: ClinicalTime | None = None
    note: tuple[Annotation, ...] | None = None
    change_reason: Text | None = None


def _of(envelope: Envelope) -> ImmunizationRecord:
    assert isinstance(envelope.action, ImmunizationRecord)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"Immunization"}),
        *encounter_errors(envelope),
        *rules.presence_errors(action),
        *rules.origin_errors(action),
        *rules.code_errors(action),
        *rules.amount_errors(action),
        *rules.time_errors(envelope, action, now),
        *rules.people_errors(action),
    ]


def _findings(envelope: Envelope, _now: datetime) -> list[Finding]:
    return rules.findings(_of(envelope))


def _business_code(action: ImmunizationRecord) -> str:
    """Name the vaccine: one visit may bring several."""
    code = action.vaccine_code
    return (code.code_in(CVX) or code.text or "") if code else ""


SPEC = ActionSpec(
    model=ImmunizationRecord,
    operations={
        "record": OperationRule(creates=True),
        "recordNotDone": OperationRule(creates=True),
        "correct": OperationRule(needs_seen=True, high_risk=True),
        "retract": OperationRule(needs_seen=True, takes_back=True, high_risk=True),
    },
    undone_by={"record": ("correct",), "recordNotDone": ("correct",), "correct": ("correct",)},
    field_groups=(
        FieldGroup(
            name="dose",
            fields=(
                *("vaccineCode", "lotNumber", "expirationDate", "manufacturer", "site", "route", "doseQuantity"),
                "protocolApplied",
            ),
            significance="high",
        ),
        FieldGroup(name="time", fields=rules.OCCURRENCE, significance="high"),
        FieldGroup(name="status", fields=("status", "statusReason", "changeReason"), significance="high"),
        FieldGroup(name="reaction", fields=("reaction",), significance="high"),
        FieldGroup(
            name="source", fields=("primarySource", "reportOrigin", "performer", "recorded"), significance="medium"
        ),
        FieldGroup(name="programme", fields=("fundingSource", "programEligibility", "reasonCode"), significance="low"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=lambda action: action.occurrence_date_time,
    check=_check,
    findings=_findings,
    surroundings=SURROUNDINGS,
    receipt_note="Recorded as a vaccination; nothing was ordered, and no registry was told by us.",
)
