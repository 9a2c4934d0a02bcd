"""Something proposed for a clinician to order: a test, a referral, a service. It is never an order and never active.

A proposal of ours may be changed or taken back as long as nobody made anything else of it; what a clinician drafted or
ordered is theirs. Medicines are prescribed in the EHR.

Source: HL7 FHIR R4 (4.0.1) ``ServiceRequest``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from canonical import order_rules as rules
from canonical.action import Action, ActionSpec, FieldGroup, Finding, OperationRule
from canonical.clinical_context import encounter_errors, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation, CodeableConcept, Period, Quantity, Reference, Text, refused_members
from canonical.dosage import Timing

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError

#: Intents of ``ServiceRequest`` that authorise or direct. Source: HL7 FHIR R4, value set ``request-intent``.
_ORDERING = frozenset(
    {"directive", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}
)


class OrderRequest(Action):
    """One proposal; ``intent``: ``proposal`` (by default) or ``plan``, and its status is a draft's throughout."""

    TYPE: ClassVar[str] = "OrderRequest"

    type: Literal["OrderRequest"]
    operation: Literal["propose", "update", "cancel"]
    code: CodeableConcept | None = None
    order_detail: tuple[CodeableConcept, ...] | None = None
    category: tuple[CodeableConcept, ...] | None = None
    intent: Literal["proposal", "plan"] | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    quantity_quantity: Quantity | None = None
    occurrence_date_time: ClinicalTime | None = None
    occurrence_period: Period | None = None
    occurrence_timing: Timing | None = None
    requester: Reference | None = None
    performer_type: CodeableConcept | None = None
    performer: tuple[Reference, ...] | None = None
    reason_code: tuple[CodeableConcept, ...] | None = None
    reason_reference: tuple[Reference, ...] | None = None
    supporting_info: tuple[Reference, ...] | None = None
    based_on: tuple[Reference, ...] | None = None
    specimen: tuple[Reference, ...] | None = None
    body_site: tuple[CodeableConcept, ...] | None = None
    patient_instruction: Text | None = None
    authored_on: ClinicalTime | None = None
    status_reason: CodeableConcept | None = None
    note: tuple[Annotation, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _orders_nothing(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("intent") in list(_ORDERING):
            detail = "this proposes or plans: what is to be ordered is ordered in the EHR"
            raise refused_members(cls.__name__, "not_ordering", detail, ["intent"])
        if isinstance(value, dict) and "doNotPerform" in value:
            detail = "that something is not to be done is an order: write it to the clinician as a CareMessage"
            raise refused_members(cls.__name__, "not_ordering", detail, ["doNotPerform"])
        return value


def _of(envelope: Envelope) -> OrderRequest:
    assert isinstance(envelope.action, OrderRequest)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"ServiceRequest"}),
        *encounter_errors(envelope),
        *rules.presence_errors(action),
        *rules.code_errors(action),
        *rules.amount_errors(action),
        *rules.time_errors(envelope, action, now),
        *rules.people_errors(action),
    ]


def _findings(envelope: Envelope, _now: datetime) -> list[Finding]:
    return rules.findings(_of(envelope))


def _business_code(action: OrderRequest) -> str:
    """Name what is proposed: one event upstream may propose several things."""
    codings = action.code.coding or () if action.code else ()
    code = next((coding.code for coding in codings if coding.code), None)
    return code or ((action.code.text or "") if action.code else "")


SPEC = ActionSpec(
    model=OrderRequest,
    operations={
        "propose": OperationRule(creates=True),
        "update": OperationRule(needs_seen=True),
        "cancel": OperationRule(takes_back=True),
    },
    undone_by={"update": ("update",)},
    ended_as="cancelled",
    field_groups=(
        FieldGroup(
            name="what",
            fields=("code", "orderDetail", "category", "intent", "quantityQuantity", "bodySite", "specimen"),
            significance="high",
        ),
        FieldGroup(name="when", fields=(*rules.OCCURRENCE, "priority"), significance="high"),
        FieldGroup(
            name="why", fields=("reasonCode", "reasonReference", "supportingInfo", "basedOn"), significance="medium"
        ),
        FieldGroup(name="who", fields=("requester", "performerType", "performer"), significance="medium"),
        FieldGroup(name="status", fields=("status", "statusReason"), significance="high"),
        FieldGroup(name="instruction", fields=("patientInstruction",), significance="medium"),
        FieldGroup(name="time", fields=("authoredOn",), significance="low"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=lambda action: action.authored_on,
    check=_check,
    findings=_findings,
    receipt_note="Proposed for a clinician to order; nothing was ordered, and nobody has promised to order it.",
)
