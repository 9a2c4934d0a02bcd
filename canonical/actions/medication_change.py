"""A change to the documented medication list. It never prescribes: no order and no pharmacy is touched."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from canonical import dose_safety
from canonical.action import Action, ActionSpec, FieldGroup, Finding, OperationRule
from canonical.clinical_context import birth_errors, encounter_errors, future_errors, note_times, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.code_systems import RXNORM
from canonical.datatypes import Annotation, Boolean, CodeableConcept, Period, Ratio, Reference, refused_members
from canonical.dosage import Dosage
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.medication_context import CONTEXT
from canonical.sig_agreement import disagreements
from canonical.therapy import SURROUNDINGS, caveats

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope

#: Elements that would make an order or a prescription of it.
_PRESCRIBING = frozenset(
    {
        *("dispense", "dispenseRequest", "numberOfRepeatsAllowed", "refills", "substitution", "quantity"),
        *("expectedSupplyDuration", "validityPeriod", "initialFill", "dispenseInterval", "intent", "requester"),
    }
)


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

    @model_validator(mode="before")
    @classmethod
    def _prescribes_nothing(cls, value: Any) -> Any:
        members = sorted(_PRESCRIBING.intersection(value)) if isinstance(value, dict) else []
        if members:
            detail = "this documents the medication list and never prescribes: send an order through the EHR"
            raise refused_members(cls.__name__, "not_prescribing", detail, members)
        return value


_REQUIRED = {
    "start": ("dosage",),
    "changeDose": ("dosage",),
    **dict.fromkeys(("hold", "stop", "notTaking", "correct", "retract"), ("statusReason",)),
}
#: Fields that only some operations have.
_ONLY = {
    "dosage": ("start", "changeDose", "correct"),
    "expectedResume": ("hold", "correct"),
    "replaces": ("start", "correct"),
}
_IN_RETRACT = frozenset({"type", "operation", "medication", "medicationTermType", "ingredient", "statusReason", "note"})
_SOURCE = (
    "reasonCode",
    "reasonReference",
    "informationSource",
    "informationSourceRole",
    "prescriber",
    "prescriberAbsent",
)
#: What an update may clear by ``null``; nothing that the list cannot be read without.
_CLEARABLE = {
    "changeDose": ("effectivePeriod", "reasonCode", "reasonReference"),
    "resume": ("statusReason", "expectedResume"),
    "correct": (
        *_SOURCE,
        "category",
        "isOtc",
        "effectivePeriod",
        "expectedResume",
        "dateAsserted",
        "derivedFrom",
        "basedOn",
    ),
}
#: Operations that put a medicine or dose on the list, for which its code must be known.
_NEED_RXNORM = frozenset({"start", "changeDose", "correct"})
_RXCUI = re.compile(r"[1-9]\d{0,7}")


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def _presence_errors(action: MedicationChange) -> list[FieldError]:
    misplaced = [name for name, operations in _ONLY.items() if action.operation not in operations]
    if action.operation == "retract":
        misplaced = sorted(stated(action) - _IN_RETRACT)
    wrong = [
        *required_errors(action, _REQUIRED.get(action.operation, ())),
        *unwanted_errors(action, misplaced, f"'{action.operation}' does not have it"),
        *clear_errors(action, _CLEARABLE.get(action.operation, ())),
    ]
    if action.category == "inpatient":
        detail = "what is given on a ward is the ward's record: it is not written from outside"
        wrong.append(_error("category", "inpatient-not-accepted", detail))
    if action.prescriber is not None and action.prescriber_absent is not None:
        wrong.append(_error("prescriberAbsent", "prescriber-contradiction", "there is a prescriber: leave it out"))
    return wrong


def _code_errors(action: MedicationChange) -> list[FieldError]:
    """RxNorm by system and form only: no terminology is shipped, and a display proves nothing."""
    wrong = []
    if action.operation in _NEED_RXNORM and action.medication.code_in(RXNORM) is None:
        wrong.append(_error("medication", "rxnorm-required", "name the medicine by an RxNorm code"))
    named = [("medication", action.medication)]
    named += [(f"ingredient/{at}", one) for at, one in enumerate(action.ingredient or ())]
    for pointer, concept in named:
        codes = [coding.code or "" for coding in concept.coding or () if coding.system == RXNORM]
        if any(_RXCUI.fullmatch(code) is None for code in codes):
            wrong.append(_error(pointer, "rxnorm-syntax", "an RxNorm code is a number of 1 to 8 digits"))
    return wrong


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    start = action.effective_period.start if action.effective_period else None
    # The end may lie ahead ("stop on Friday"); a start that does would be an order.
    times = [("/action/dateAsserted", action.date_asserted), ("/action/effectivePeriod/start", start)]
    return [
        *target_type_errors(envelope, {"MedicationStatement", "MedicationRequest"}),
        *encounter_errors(envelope),
        *_presence_errors(action),
        *_code_errors(action),
        *dose_safety.amount_errors(action),
        *dose_safety.route_errors(action),
        *dose_safety.strength_errors(action),
        *dose_safety.as_needed_errors(action),
        *dose_safety.weekly_errors(action),
        *future_errors([*times, *note_times(action.note)], now),
        *birth_errors(envelope, "/action/effectivePeriod/start", start),
    ]


def _of(envelope: Envelope) -> MedicationChange:
    assert isinstance(envelope.action, MedicationChange)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _findings(envelope: Envelope, _now: datetime) -> list[Finding]:
    action = _of(envelope)
    return [
        Finding(
            kind="sig_mismatch",
            severity="high",
            holds=True,
            pointer=f"/action/dosage/{at}/text",
            detail=f"the text and the structured dosage state a different {what}",
        )
        for at, dosage in enumerate(action.dosage or ())
        for what in disagreements(dosage, action.strength)
    ]


def _business_code(action: MedicationChange) -> str:
    return action.medication.code_in(RXNORM) or action.medication.text or ""


#: What a change of an entry names it by; only a correction may make it say something else.
_DESCRIBES = frozenset({"medication", "medicationTermType", "ingredient", "form", "strength", "isOtc", "category"})
_CHANGE = OperationRule(needs_seen=True, high_risk=True, describes=_DESCRIBES)
#: Whoever stops a medicine must not wait unseen.
_STOP = replace(_CHANGE, urgent=True, moves_status=True)

SPEC = ActionSpec(
    model=MedicationChange,
    operations={
        "start": OperationRule(creates=True),
        "changeDose": _CHANGE,
        "hold": _STOP,
        "resume": replace(_CHANGE, moves_status=True),
        "stop": _STOP,
        "notTaking": _STOP,
        "correct": OperationRule(needs_seen=True, high_risk=True, describes=frozenset({"medicationTermType"})),
        "retract": OperationRule(needs_seen=True, takes_back=True, high_risk=True),
    },
    undone_by={
        "start": ("stop",),
        "changeDose": ("changeDose",),
        "hold": ("resume",),
        "resume": ("hold",),
        "correct": ("correct",),
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
    business_code=_business_code,
    clinical_time=lambda action: action.date_asserted,
    check=_check,
    findings=_findings,
    context=CONTEXT,
    surroundings=SURROUNDINGS,
    caveats=caveats,
    receipt_note="Recorded on the medication list; the prescription and the pharmacy were not changed.",
)
