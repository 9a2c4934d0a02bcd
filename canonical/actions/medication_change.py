"""A change to the documented medication list. It never prescribes: no order and no pharmacy is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation, Boolean, CodeableConcept, Period, Ratio, Reference
from canonical.dosage import Dosage

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError


class MedicationChange(Action):
    """One entry of the documented medication list and what happens to it."""

    TYPE: ClassVar[str] = "MedicationChange"

    type: Literal["MedicationChange"]
    operation: Literal["start", "changeDose", "hold", "resume", "stop", "notTaking", "correct", "retract"]
    category: Literal["inpatient", "outpatient", "community", "discharge"] | None = None
    medication: CodeableConcept
    medication_term_type: Literal["SCD", "SBD", "GPCK", "BPCK", "SCDF", "SBDF", "BN", "IN", "MIN", "PIN"] | None = None
    ingredient: tuple[CodeableConcept, ...] | None = None
    form: CodeableConcept | None = None
    strength: Ratio | None = None
    is_otc: Boolean | None = None
    dosage: tuple[Dosage, ...] | None = None
    effective_period: Period | None = None
    status_reason: tuple[CodeableConcept, ...] | None = None
    expected_resume: ClinicalTime | None = None
    reason_code: tuple[CodeableConcept, ...] | None = None
    reason_reference: tuple[Reference, ...] | None = None
    information_source: Reference | None = None
    information_source_role: Literal["patient", "caregiver", "pharmacyFill", "clinician"] | None = None
    prescriber: Reference | None = None
    prescriber_absent: Literal["unknown", "self"] | None = None
    date_asserted: ClinicalTime | None = None
    derived_from: tuple[Reference, ...] | None = None
    based_on: tuple[Reference, ...] | None = None
    replaces: Reference | None = None
    note: tuple[Annotation, ...] | None = None


def _check(_envelope: Envelope, _now: datetime) -> list[FieldError]:
    return []


def _code(action: MedicationChange) -> str:
    return action.medication.text or ""


_UPDATE = OperationRule(needs_seen=True)

SPEC = ActionSpec(
    model=MedicationChange,
    operations={
        "start": OperationRule(creates=True),
        "changeDose": _UPDATE,
        "hold": _UPDATE,
        "resume": _UPDATE,
        "stop": _UPDATE,
        "notTaking": _UPDATE,
        "correct": _UPDATE,
        "retract": OperationRule(needs_seen=True, takes_back=True),
    },
    field_groups=(
        FieldGroup(
            name="dose",
            fields=("medication", "medicationTermType", "ingredient", "form", "strength", "dosage"),
            significance="high",
        ),
        FieldGroup(name="status", fields=("status", "statusReason", "expectedResume"), significance="high"),
        FieldGroup(name="course", fields=("effectivePeriod",), significance="high"),
        FieldGroup(
            name="source",
            fields=(
                "category",
                "isOtc",
                "reasonCode",
                "reasonReference",
                "informationSource",
                "informationSourceRole",
                "prescriber",
                "prescriberAbsent",
                "dateAsserted",
                "derivedFrom",
                "basedOn",
                "replaces",
            ),
            significance="medium",
        ),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_code,
    clinical_time=lambda action: action.date_asserted,
    check=_check,
    receipt_note="Recorded on the medication list; the prescription and the pharmacy were not changed.",
)
