"""A message about a patient to the people who care for them; no chart entry, no order, and nothing the patient is sent.

Its author is its sender. As a stand-in for an entry that an EHR cannot take it is never used for labelled content: whoever
receives a message is not held to the labels of what it tells.

Source: HL7 FHIR R4 (4.0.1) ``Communication``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.clinical_context import birth_errors, encounter_errors, future_errors, note_times, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation, CodeableConcept, DataType, Reference, Text
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.people import STAFF, named_errors

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope


class MessagePart(DataType):
    """``Communication.payload``: text as its author wrote it, never cut."""

    content_string: Text


class CareMessage(Action):
    """One message; ``topic`` is its subject line, ``payload`` its text in one or more parts."""

    TYPE: ClassVar[str] = "CareMessage"

    type: Literal["CareMessage"]
    operation: Literal["send", "retract"]
    category: tuple[CodeableConcept, ...] | None = None
    topic: CodeableConcept | None = None
    payload: tuple[MessagePart, ...] | None = None
    recipient: tuple[Reference, ...] | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] | None = None
    about: tuple[Reference, ...] | None = None
    in_response_to: tuple[Reference, ...] | None = None
    reason_code: tuple[CodeableConcept, ...] | None = None
    sent: ClinicalTime | None = None
    status_reason: CodeableConcept | None = None
    note: tuple[Annotation, ...] | None = None


#: A retraction says which message and why; the topic may name it once more.
_IN_RETRACT = frozenset({"type", "operation", "topic", "statusReason", "note"})


def _presence_errors(action: CareMessage) -> list[FieldError]:
    if action.operation == "retract":
        content = sorted(stated(action) - _IN_RETRACT)
        return [
            *required_errors(action, ("statusReason",)),
            *unwanted_errors(action, content, "a retraction takes the message as it stands"),
        ]
    return [
        *required_errors(action, ("payload", "recipient")),
        *unwanted_errors(action, ("statusReason",), "only a retraction has it"),
    ]


def _reference_errors(action: CareMessage) -> list[FieldError]:
    return [
        *named_errors("/action/recipient", action.recipient, STAFF),
        *named_errors("/action/inResponseTo", action.in_response_to, frozenset({"Communication"})),
    ]


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"Communication"}),
        *encounter_errors(envelope),
        *clear_errors(action, ()),
        *_presence_errors(action),
        *_reference_errors(action),
        *future_errors([("/action/sent", action.sent), *note_times(action.note)], now),
        *birth_errors(envelope, "/action/sent", action.sent),
    ]


def _of(envelope: Envelope) -> CareMessage:
    assert isinstance(envelope.action, CareMessage)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _business_code(action: CareMessage) -> str:
    """Return what the message is about; one event of an app may cause several."""
    topic = action.topic
    codes = [coding.code for coding in (topic.coding or ()) if coding.code] if topic else []
    return codes[0] if codes else (topic.text or "" if topic else "")


SPEC = ActionSpec(
    model=CareMessage,
    operations={"send": OperationRule(creates=True), "retract": OperationRule(takes_back=True)},
    field_groups=(
        FieldGroup(name="message", fields=("category", "topic", "payload"), significance="medium"),
        FieldGroup(
            name="context", fields=("about", "inResponseTo", "reasonCode", "priority", "sent"), significance="low"
        ),
        FieldGroup(name="recipient", fields=("recipient",), significance="medium"),
        FieldGroup(name="status", fields=("status", "statusReason"), significance="medium"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=lambda action: action.sent,
    check=_check,
    receipt_note="Sent as a message to the people named; no list of the chart was changed, and nobody said that they read it.",
)
