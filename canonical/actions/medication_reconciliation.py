"""A review of the documented medication list: what is changed on it, what stays as it is, and the entry that says so.

The changes are written in their order, each as the command that it would be alone, and then the list that refers to them. If
one is refused or in conflict, what was written before it stays, nothing after it is sent, and a person decides about the rest.
It never prescribes. Taking the review back leaves the changes: each of them is taken back by a command of its own.

Source: HL7 FHIR R4 (4.0.1) ``List``; LOINC 10160-0, history of medication use.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from canonical import part_checks
from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.actions.medication_change import MedicationChange
from canonical.clinical_context import birth_errors, encounter_errors, future_errors, note_times, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation, Element, Reference, Text
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.medication_surroundings import SURROUNDINGS, caveats_of_starts
from canonical.part_checks import Part, PartTarget
from canonical.people import named_error
from canonical.rest_order import Role

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope

#: LOINC of what the list is.
LIST_CODE = "10160-0"
#: A longer list is not reviewed in one sitting.
MOST_CHANGES, MOST_REVIEWED = 30, 100
_ENTRIES = frozenset({"MedicationStatement", "MedicationRequest"})
_VERIFIERS = frozenset({"Practitioner", "PractitionerRole"})
_SOURCES = _VERIFIERS | {"Patient", "RelatedPerson", "Organization"}
_IN_RETRACT = frozenset({"type", "operation", "retractReason", "note"})


class ListedChange(Element):
    """One change of the list, and, unless it starts a medicine, the entry it changes as its author saw it."""

    action: MedicationChange
    target: PartTarget | None = None


class MedicationReconciliation(Action):
    """One review; ``reviewed`` are the entries that stay as they are, ``verifiedBy`` is who answers for the list."""

    TYPE: ClassVar[str] = "MedicationReconciliation"

    type: Literal["MedicationReconciliation"]
    operation: Literal["reconcile", "retract"]
    changes: Annotated[tuple[ListedChange, ...], Field(max_length=MOST_CHANGES)] | None = None
    reviewed: Annotated[tuple[Reference, ...], Field(max_length=MOST_REVIEWED)] | None = None
    date: ClinicalTime | None = None
    information_source: Reference | None = None
    information_source_role: Literal["patient", "caregiver", "pharmacyFill", "clinician"] | None = None
    verified_by: Reference | None = None
    note: tuple[Annotation, ...] | None = None
    retract_reason: Text | None = None


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def _presence_errors(action: MedicationReconciliation) -> list[FieldError]:
    if action.operation == "retract":
        content = sorted(stated(action) - _IN_RETRACT)
        return [
            *required_errors(action, ("retractReason",)),
            *unwanted_errors(action, content, "a retraction takes the list as it stands"),
        ]
    wrong = [
        *required_errors(action, ("date", "verifiedBy")),
        *unwanted_errors(action, ("retractReason",), "only a retraction has it"),
    ]
    if not {"changes", "reviewed"} & stated(action):
        wrong.append(_error("reviewed", "required", "say what was changed or reviewed: 'changes', or 'reviewed'"))
    if not {"informationSource", "informationSourceRole"} & stated(action):
        wrong.append(_error("informationSource", "required", "say from whom it is known, or in which role"))
    return wrong


def _entry_errors(action: MedicationReconciliation) -> list[FieldError]:
    """Every entry is named literally and once: either it is changed, by one change, or it is as it was."""
    changed = [
        (f"changes/{at}/target/reference", item.target.reference)
        for at, item in enumerate(action.changes or ())
        if item.target is not None
    ]
    reviewed = [(f"reviewed/{at}/reference", item.reference) for at, item in enumerate(action.reviewed or ())]
    counted = Counter(reference for _, reference in (*changed, *reviewed))
    wrong = []
    for member, reference in (*changed, *reviewed):
        if reference is None or reference.partition("/")[0] not in _ENTRIES:
            wrong.append(_error(member, "reference-type", f"one of: {', '.join(sorted(_ENTRIES))}"))
        elif counted[reference] > 1:
            wrong.append(_error(member, "named-twice", "one entry is changed once, or reviewed"))
    return wrong


def _changes(envelope: Envelope) -> list[Part]:
    return [
        Part(
            at=f"/action/changes/{at}/action",
            action=item.action,
            target=item.target,
            target_at=f"/action/changes/{at}/target",
        )
        for at, item in enumerate(_of(envelope).changes or ())
    ]


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"List"}),
        *encounter_errors(envelope),
        *clear_errors(action, ()),
        *_presence_errors(action),
        *_entry_errors(action),
        *named_error("/action/verifiedBy", action.verified_by, _VERIFIERS),
        *named_error("/action/informationSource", action.information_source, _SOURCES),
        *future_errors([("/action/date", action.date), *note_times(action.note)], now),
        *birth_errors(envelope, "/action/date", action.date),
        *part_checks.errors(envelope, _changes(envelope), now),
    ]


def _of(envelope: Envelope) -> MedicationReconciliation:
    assert isinstance(envelope.action, MedicationReconciliation)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _mentions(envelope: Envelope) -> tuple[str, ...]:
    return tuple(item.reference for item in _of(envelope).reviewed or () if item.reference)


SPEC = ActionSpec(
    model=MedicationReconciliation,
    operations={"reconcile": OperationRule(creates=True), "retract": OperationRule(takes_back=True)},
    field_groups=(
        FieldGroup(name="list", fields=("changes", "reviewed"), significance="high"),
        FieldGroup(name="status", fields=("status", "retractReason"), significance="high"),
        FieldGroup(
            name="source",
            fields=("informationSource", "informationSourceRole", "verifiedBy"),
            significance="medium",
        ),
        FieldGroup(name="time", fields=("date",), significance="medium"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=lambda _action: LIST_CODE,
    clinical_time=lambda action: action.date,
    check=_check,
    confirmations=lambda envelope, now: part_checks.confirmations(envelope, _changes(envelope), now),
    findings=lambda envelope, now: part_checks.findings(envelope, _changes(envelope), now),
    marks=lambda envelope, now: part_checks.marks(envelope, _changes(envelope), now),
    parts=lambda envelope: part_checks.envelopes(envelope, _changes(envelope)),
    surroundings=SURROUNDINGS,
    caveats=caveats_of_starts,
    mentions=_mentions,
    # Each change rests on the version its author saw. The list does not: it says what was reviewed, and that may have moved on.
    rest_may_follow=frozenset({Role.PART, Role.PROVENANCE}),
    receipt_note="Recorded on the medication list, change by change; the prescriptions and the pharmacy were not changed.",
)
