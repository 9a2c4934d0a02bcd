"""A gap in care that was closed: what proves it, written in the same command or in the chart already, and the entry that says so.

The evidence is entries of their own, each judged and written as the command that it would be alone; the closure follows and
refers to them. Taking the closure back leaves the evidence: each of them is taken back by a command of its own.

Source: HL7 FHIR R4 (4.0.1) ``Task``; HL7 Da Vinci DEQM, gaps in care.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, WithJsonSchema
from pydantic_core import PydanticCustomError

from canonical import part_checks
from canonical.action import Action, ActionSpec, FieldGroup, OperationRule, spec_for
from canonical.clinical_context import birth_errors, encounter_errors, future_errors, note_times, target_type_errors
from canonical.datatypes import Annotation, CodeableConcept, Identifier, Period, Reference, Text
from canonical.errors import FieldError, RefusedError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.part_checks import Part
from canonical.people import STAFF, named_error
from canonical.rest_order import ANY_REST

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.clinical_time import ClinicalTime
    from canonical.envelope import Envelope

#: More than closes one gap is sent on its own.
MOST_EVIDENCE = 20
#: What asks for something or tells of it proves nothing.
NO_EVIDENCE = frozenset({"CareMessage", "CareTask", "OrderRequest"})
_CLOSERS = STAFF - {"Group", "HealthcareService"} | {"Patient", "RelatedPerson"}
_IN_RETRACT = frozenset({"type", "operation", "measure", "gapIdentifier", "statusReason", "note"})


def _recorded(value: Any) -> Any:
    """Parse an action of whatever type; a closure inside a closure is refused before it is looked into."""
    if isinstance(value, Action):
        return value
    if not isinstance(value, dict) or value.get("type") == CareGapClosure.TYPE:
        raise PydanticCustomError("evidence_action", "evidence is an action that records something")
    try:
        model = spec_for(value).model
    except RefusedError:
        raise PydanticCustomError("unknown_action", "there is no such action") from None
    return model.model_validate(value, by_alias=True, by_name=False)


_SCHEMA = {"type": "object", "required": ["type", "operation"], "description": "An action that records something new."}
Evidence = Annotated[SerializeAsAny[Action], BeforeValidator(_recorded), WithJsonSchema(_SCHEMA)]


class CareGapClosure(Action):
    """One closed gap, named by its ``measure`` or the ``gapIdentifier`` of whoever found it, and what closed it."""

    TYPE: ClassVar[str] = "CareGapClosure"

    type: Literal["CareGapClosure"]
    operation: Literal["close", "retract"]
    measure: CodeableConcept | None = None
    gap_identifier: Identifier | None = None
    description: Text | None = None
    execution_period: Period | None = None
    owner: Reference | None = None
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MOST_EVIDENCE)] | None = None
    evidence_reference: Annotated[tuple[Reference, ...], Field(max_length=MOST_EVIDENCE)] | None = None
    status_reason: CodeableConcept | None = None
    note: tuple[Annotation, ...] | None = None


def _presence_errors(action: CareGapClosure) -> list[FieldError]:
    if action.operation == "retract":
        content = sorted(stated(action) - _IN_RETRACT)
        return [
            *required_errors(action, ("statusReason",)),
            *unwanted_errors(action, content, "a retraction takes the closure as it stands"),
        ]
    wrong = [
        *required_errors(action, ("description", "executionPeriod")),
        *unwanted_errors(action, ("statusReason",), "only a retraction has it"),
    ]
    if not {"measure", "gapIdentifier"} & stated(action):
        wrong.append(_error("measure", "required", "say which gap: 'measure', or 'gapIdentifier'"))
    if not {"evidence", "evidenceReference"} & stated(action):
        wrong.append(_error("evidence", "required", "say what closed it: 'evidence', or 'evidenceReference'"))
    if action.execution_period is not None and action.execution_period.end is None:
        wrong.append(_error("executionPeriod/end", "required", "say when it was closed"))
    if action.gap_identifier is not None and action.gap_identifier.value is None:
        wrong.append(_error("gapIdentifier/value", "required", "an identifier without a value names no gap"))
    return wrong


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def _reference_errors(action: CareGapClosure) -> list[FieldError]:
    """Evidence in the chart is named literally, so that it can be looked at, and once."""
    wrong, told = [], set[str]()
    for at, item in enumerate(action.evidence_reference or ()):
        if item.reference is None:
            wrong.append(_error(f"evidenceReference/{at}", "names-nothing", "name the entry as 'Type/id'"))
        elif item.reference in told:
            wrong.append(_error(f"evidenceReference/{at}", "named-twice", "it is named already"))
        told.add(item.reference or "")
    return wrong


def _evidence(envelope: Envelope) -> list[Part]:
    items = _of(envelope).evidence or ()
    return [Part(at=f"/action/evidence/{at}", action=item) for at, item in enumerate(items)]


def _evidence_errors(envelope: Envelope, now: datetime) -> list[FieldError]:
    parts = _evidence(envelope)
    proves_nothing = [
        _error(f"evidence/{at}/type", "no-evidence", "it asks for something, or tells of it, and records nothing")
        for at, part in enumerate(parts)
        if part.action.type in NO_EVIDENCE
    ]
    detail = "evidence is new: what is in the chart already is named in 'evidenceReference'"
    return proves_nothing or part_checks.new_only_errors(parts, detail) or part_checks.errors(envelope, parts, now)


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    period = action.execution_period
    times = [
        ("/action/executionPeriod/start", period.start if period else None),
        ("/action/executionPeriod/end", period.end if period else None),
        *note_times(action.note),
    ]
    return [
        *target_type_errors(envelope, {"Task"}),
        *encounter_errors(envelope),
        *clear_errors(action, ()),
        *_presence_errors(action),
        *_reference_errors(action),
        *named_error("/action/owner", action.owner, _CLOSERS),
        *future_errors(times, now),
        *birth_errors(envelope, "/action/executionPeriod/end", period.end if period else None),
        *_evidence_errors(envelope, now),
    ]


def _of(envelope: Envelope) -> CareGapClosure:
    assert isinstance(envelope.action, CareGapClosure)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _business_code(action: CareGapClosure) -> str:
    """Return which gap it is; one event of an app may close several."""
    codes = [coding.code for coding in (action.measure.coding or ()) if coding.code] if action.measure else []
    gap = action.gap_identifier.value if action.gap_identifier else None
    return gap or (codes[0] if codes else (action.measure.text or "") if action.measure else "")


def _clinical_time(action: CareGapClosure) -> ClinicalTime | None:
    return action.execution_period.end if action.execution_period else None


def _mentions(envelope: Envelope) -> tuple[str, ...]:
    return tuple(item.reference for item in _of(envelope).evidence_reference or () if item.reference)


SPEC = ActionSpec(
    model=CareGapClosure,
    operations={"close": OperationRule(creates=True), "retract": OperationRule(takes_back=True)},
    field_groups=(
        FieldGroup(
            name="closure",
            fields=("measure", "gapIdentifier", "description", "evidence", "evidenceReference"),
            significance="high",
        ),
        FieldGroup(name="status", fields=("status", "statusReason"), significance="high"),
        FieldGroup(name="time", fields=("executionPeriod",), significance="medium"),
        FieldGroup(name="who", fields=("owner",), significance="medium"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=_clinical_time,
    check=_check,
    confirmations=lambda envelope, now: part_checks.confirmations(envelope, _evidence(envelope), now),
    findings=lambda envelope, now: part_checks.findings(envelope, _evidence(envelope), now),
    marks=lambda envelope, now: part_checks.marks(envelope, _evidence(envelope), now),
    parts=lambda envelope: part_checks.envelopes(envelope, _evidence(envelope)),
    # A reading is right by itself, and the closure only says which of them close the gap.
    rest_may_follow=ANY_REST,
    mentions=_mentions,
    receipt_note="The evidence is written first and the closure after it; whether the measure counts it is the measure's to say.",
)
