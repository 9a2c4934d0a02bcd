"""A clinical document as somebody wrote it, to the last byte: new, added to a signed one, in place of a draft, taken back.

A signed note is never replaced: what was signed stays as it was, and an addendum says more. A draft is not added to but
replaced. A note stays with the encounter that its author named.

Source: HL7 FHIR R4 (4.0.1) ``DocumentReference``; US Core, clinical notes guidance.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from canonical import part_checks
from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.actions.vital_reading import VitalReading
from canonical.attachment import MOST_OCTETS, Attachment
from canonical.clinical_context import birth_errors, encounter_errors, future_errors, target_type_errors
from canonical.clinical_time import ClinicalInstant, ClinicalTime
from canonical.code_systems import LOINC
from canonical.datatypes import CodeableConcept, DataType, Period, Reference, Text
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.part_checks import Part
from canonical.people import STAFF, named_error, named_errors
from canonical.rest_order import ANY_REST

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope

#: Plain text, never cut and never changed, with something to read in it.
NoteText = Annotated[str, StringConstraints(min_length=1, max_length=MOST_OCTETS, pattern=r"\S")]
#: More readings than one round has are sent on their own.
MOST_READINGS = 20
_LOINC_CODE = re.compile(r"\d{1,7}-\d")
_AUTHORS = STAFF - {"Group", "CareTeam", "HealthcareService"} | {"Patient", "RelatedPerson", "Device"}
_SIGNERS = frozenset({"Practitioner", "PractitionerRole", "Organization"})


class RelatedNote(DataType):
    """``DocumentReference.relatesTo`` beyond what the operation itself says of its target."""

    code: Literal["transforms", "signs"]
    target: Reference


class ClinicalNote(Action):
    """One document; ``docType`` is its FHIR ``type``, ``docStatus`` says whether it is signed (``final``) or a draft."""

    TYPE: ClassVar[str] = "ClinicalNote"

    type: Literal["ClinicalNote"]
    operation: Literal["create", "addendum", "replace", "retract"]
    doc_type: CodeableConcept | None = None
    category: tuple[CodeableConcept, ...] | None = None
    title: Text | None = None
    content: NoteText | None = None
    attachment: Attachment | None = None
    date: ClinicalInstant | None = None
    period: Period | None = None
    author: tuple[Reference, ...] | None = None
    doc_status: Literal["preliminary", "final"] | None = None
    authenticator: Reference | None = None
    release: Literal["immediate", "withheld"] | None = None
    release_reason: Text | None = None
    relates_to: tuple[RelatedNote, ...] | None = None
    observations: Annotated[tuple[VitalReading, ...], Field(max_length=MOST_READINGS)] | None = None
    retract_reason: Text | None = None


#: A retraction says which note and why; the type may name it once more.
_IN_RETRACT = frozenset({"type", "operation", "docType", "retractReason"})


def _presence_errors(action: ClinicalNote) -> list[FieldError]:
    if action.operation == "retract":
        content = sorted(stated(action) - _IN_RETRACT)
        return [
            *required_errors(action, ("retractReason",)),
            *unwanted_errors(action, content, "a retraction takes the note as it stands"),
        ]
    wrong = [
        *required_errors(action, ("docType", "date", "docStatus")),
        *unwanted_errors(action, ("retractReason",), "only a retraction has it"),
    ]
    if action.operation == "replace":
        # The draft's readings are in the chart: they would be there twice.
        wrong += unwanted_errors(action, ("observations",), "send new readings on their own, or with an addendum")
    if (action.content is None) == (action.attachment is None):
        detail = "a note has its text in 'content', or a document in 'attachment'"
        wrong.append(FieldError(pointer="/action/content", code="note-content", detail=detail))
    return wrong


def _signature_errors(action: ClinicalNote) -> list[FieldError]:
    """A note that counts as signed says by whom, and a draft is signed by nobody."""
    signed, signer = action.doc_status == "final", action.authenticator is not None
    if action.doc_status is None or signed == signer:
        return []
    detail = "say who signed it" if signed else "a draft is signed by nobody: leave it out"
    return [FieldError(pointer="/action/authenticator", code="signature", detail=detail)]


def _release_errors(action: ClinicalNote) -> list[FieldError]:
    withheld, reasoned = action.release == "withheld", action.release_reason is not None
    if withheld == reasoned:
        return []
    detail = "say why the patient may not see it at once" if withheld else "only what is withheld has a reason"
    return [FieldError(pointer="/action/releaseReason", code="release-reason", detail=detail)]


def _code_errors(action: ClinicalNote) -> list[FieldError]:
    """LOINC by system and form only: no terminology is shipped."""
    code = action.doc_type.code_in(LOINC) if action.doc_type else None
    if action.doc_type is None or (code is not None and _LOINC_CODE.fullmatch(code)):
        return []
    return [
        FieldError(pointer="/action/docType", code="loinc-required", detail="name the kind of note by a LOINC code")
    ]


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    period = action.period
    times = [
        ("/action/date", action.date),
        ("/action/period/start", period.start if period else None),
        ("/action/period/end", period.end if period else None),
    ]
    return [
        *target_type_errors(envelope, {"DocumentReference"}),
        *encounter_errors(envelope),
        *clear_errors(action, ()),
        *_presence_errors(action),
        *_signature_errors(action),
        *_release_errors(action),
        *_code_errors(action),
        *named_errors("/action/author", action.author, _AUTHORS),
        *named_error("/action/authenticator", action.authenticator, _SIGNERS),
        *future_errors(times, now),
        *birth_errors(envelope, "/action/date", _clinical_time(action)),
        *_reading_errors(envelope, now),
    ]


def _reading_errors(envelope: Envelope, now: datetime) -> list[FieldError]:
    readings = _readings(envelope)
    detail = "a note brings new readings: correct or retract one by a command of its own"
    return part_checks.new_only_errors(readings, detail) or part_checks.errors(envelope, readings, now)


def _of(envelope: Envelope) -> ClinicalNote:
    assert isinstance(envelope.action, ClinicalNote)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _readings(envelope: Envelope) -> list[Part]:
    readings = _of(envelope).observations or ()
    return [Part(at=f"/action/observations/{at}", action=reading) for at, reading in enumerate(readings)]


def _business_code(action: ClinicalNote) -> str:
    return (action.doc_type.code_in(LOINC) or "") if action.doc_type else ""


def _clinical_time(action: ClinicalNote) -> ClinicalTime | None:
    """Return when that was of which the note tells; where nobody says, when it was written."""
    period = action.period
    return (period.start or period.end if period else None) or action.date


SPEC = ActionSpec(
    model=ClinicalNote,
    operations={
        "create": OperationRule(creates=True),
        "addendum": OperationRule(own_entry=True),
        "replace": OperationRule(needs_seen=True, own_entry=True),
        "retract": OperationRule(needs_seen=True, takes_back=True, high_risk=True),
    },
    undone_by={"create": ("replace",), "replace": ("replace",)},
    field_groups=(
        FieldGroup(
            name="content",
            fields=("docType", "category", "title", "content", "attachment", "observations", "relatesTo"),
            significance="high",
        ),
        FieldGroup(name="signature", fields=("status", "docStatus", "authenticator"), significance="high"),
        FieldGroup(name="time", fields=("date", "period"), significance="medium"),
        FieldGroup(name="source", fields=("author",), significance="medium"),
        FieldGroup(name="release", fields=("release", "releaseReason"), significance="high"),
    ),
    business_code=_business_code,
    clinical_time=_clinical_time,
    check=_check,
    confirmations=lambda envelope, now: part_checks.confirmations(envelope, _readings(envelope), now),
    findings=lambda envelope, now: part_checks.findings(envelope, _readings(envelope), now),
    marks=lambda envelope, now: part_checks.marks(envelope, _readings(envelope), now),
    parts=lambda envelope: part_checks.envelopes(envelope, _readings(envelope)),
    # A reading is right by itself, and the note only refers to them.
    rest_may_follow=ANY_REST,
)
