"""Something that somebody is asked to do for a patient: asked for, changed, done, or called off. Never an order.

What only an order may bring about is ordered in the EHR: a task of ours proposes or plans, and authorises nothing.

Source: HL7 FHIR R4 (4.0.1) ``Task``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.clinical_context import birth_errors, encounter_errors, future_errors, note_times, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation, CodeableConcept, Period, Reference, Text, refused_members
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.people import STAFF, named_error
from canonical.task_parts import TaskOutput, TaskRestriction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from canonical.envelope import Envelope

#: Intents of ``Task`` that authorise. Source: HL7 FHIR R4, value set ``task-intent``.
_ORDERING = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
#: Who may be asked, or may ask: the patient and relatives too, for what they do themselves.
_PEOPLE = STAFF - {"Group"} | {"Patient", "RelatedPerson", "Device"}


class CareTask(Action):
    """One task; ``description`` says in words what is to be done, ``restriction.period.end`` until when."""

    TYPE: ClassVar[str] = "CareTask"

    type: Literal["CareTask"]
    operation: Literal["create", "update", "complete", "cancel"]
    code: CodeableConcept | None = None
    description: Text | None = None
    intent: Literal["proposal", "plan"] | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    owner: Reference | None = None
    performer_type: tuple[CodeableConcept, ...] | None = None
    requester: Reference | None = None
    restriction: TaskRestriction | None = None
    focus: Reference | None = None
    based_on: tuple[Reference, ...] | None = None
    reason_code: CodeableConcept | None = None
    reason_reference: Reference | None = None
    authored_on: ClinicalTime | None = None
    execution_period: Period | None = None
    business_status: CodeableConcept | None = None
    status_reason: CodeableConcept | None = None
    output: tuple[TaskOutput, ...] | None = None
    note: tuple[Annotation, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _orders_nothing(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("intent") in list(_ORDERING):
            detail = "a task proposes or plans: what needs an order is ordered in the EHR"
            raise refused_members(cls.__name__, "not_ordering", detail, ["intent"])
        return value


_REQUIRED = {"create": ("description",), "cancel": ("statusReason",)}
#: operation → fields that it may state; ``code`` names the task once more where nothing else of it is changed.
MAY_STATE: Mapping[str, frozenset[str]] = {
    "create": frozenset(
        {
            *(
                "code",
                "description",
                "intent",
                "priority",
                "owner",
                "performerType",
                "requester",
                "restriction",
                "focus",
            ),
            *("basedOn", "reasonCode", "reasonReference", "authoredOn", "businessStatus", "note"),
        }
    ),
    "update": frozenset(
        {
            *("code", "description", "priority", "owner", "performerType", "restriction", "focus", "reasonCode"),
            *("reasonReference", "executionPeriod", "businessStatus", "statusReason", "note"),
        }
    ),
    "complete": frozenset({"code", "executionPeriod", "businessStatus", "output", "note"}),
    "cancel": frozenset({"code", "statusReason", "note"}),
}
#: What ``update`` may clear by ``null``; nothing without which nobody knows what is to be done.
_CLEARABLE = (
    *("priority", "owner", "performerType", "restriction", "focus", "reasonCode", "reasonReference"),
    *("executionPeriod", "businessStatus", "statusReason"),
)
_NO_CONTENT = frozenset({"type", "operation"})


def _presence_errors(action: CareTask) -> list[FieldError]:
    foreign = sorted(stated(action) - MAY_STATE[action.operation] - _NO_CONTENT)
    wrong = [
        *required_errors(action, _REQUIRED.get(action.operation, ())),
        *unwanted_errors(action, foreign, f"'{action.operation}' does not have it"),
        *clear_errors(action, _CLEARABLE if action.operation == "update" else ()),
    ]
    if action.operation == "create" and not {"owner", "performerType"} & stated(action):
        detail = "say who is to do it: 'owner', or 'performerType'"
        wrong.append(FieldError(pointer="/action/owner", code="required", detail=detail))
    if action.operation == "update" and not set(action.as_json()) - _NO_CONTENT:
        wrong.append(FieldError(pointer="/action", code="nothing-to-change", detail="say what is to be changed"))
    return wrong


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    done = action.execution_period
    # When it is due may lie ahead; that it was asked for or done may not.
    times = [
        ("/action/authoredOn", action.authored_on),
        ("/action/executionPeriod/start", done.start if done else None),
        ("/action/executionPeriod/end", done.end if done else None),
        *note_times(action.note),
    ]
    return [
        *target_type_errors(envelope, {"Task"}),
        *encounter_errors(envelope),
        *_presence_errors(action),
        *named_error("/action/owner", action.owner, _PEOPLE),
        *named_error("/action/requester", action.requester, _PEOPLE),
        *future_errors(times, now),
        *birth_errors(envelope, "/action/authoredOn", action.authored_on),
    ]


def _of(envelope: Envelope) -> CareTask:
    assert isinstance(envelope.action, CareTask)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _business_code(action: CareTask) -> str:
    """Return what is to be done; one event of an app may ask for several things."""
    codes = [coding.code for coding in (action.code.coding or ()) if coding.code] if action.code else []
    return codes[0] if codes else (action.description or "")


def _clinical_time(action: CareTask) -> ClinicalTime | None:
    return action.authored_on or (action.execution_period.end if action.execution_period else None)


SPEC = ActionSpec(
    model=CareTask,
    operations={
        "create": OperationRule(creates=True),
        "update": OperationRule(),
        "complete": OperationRule(moves_status=True, describes=frozenset({"code"})),
        "cancel": OperationRule(takes_back=True),
    },
    undone_by={"update": ("update",)},
    ended_as="cancelled",
    field_groups=(
        FieldGroup(
            name="what",
            fields=("code", "description", "intent", "focus", "basedOn", "reasonCode", "reasonReference"),
            significance="high",
        ),
        FieldGroup(name="who", fields=("owner", "performerType", "requester"), significance="medium"),
        FieldGroup(name="due", fields=("restriction", "priority"), significance="medium"),
        FieldGroup(
            name="status",
            fields=("status", "statusReason", "businessStatus", "executionPeriod", "output"),
            significance="high",
        ),
        FieldGroup(name="time", fields=("authoredOn",), significance="low"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=_clinical_time,
    check=_check,
    receipt_note="Asked for as a task; nothing was ordered, and nobody has promised to do it.",
)
