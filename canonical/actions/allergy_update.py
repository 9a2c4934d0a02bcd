"""An entry of the allergy list: what the patient must not be given, or that nothing of the kind is known. No prescribing check.

``allergyType`` is FHIR's ``AllergyIntolerance.type``, a name that an action has for itself.

Source: HL7 FHIR R4 (4.0.1) ``AllergyIntolerance``; US Core AllergyIntolerance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from canonical import allergy_rules
from canonical.action import Action, ActionSpec, FieldGroup, Finding, OperationRule
from canonical.allergy import AllergyCategory, AllergyReaction, AllergyType, Criticality, NoneKnownScope
from canonical.allergy_context import CONTEXT
from canonical.allergy_surroundings import SURROUNDINGS
from canonical.clinical_context import encounter_errors, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.concepts import codes
from canonical.datatypes import Annotation, CodeableConcept, Period, Range, Reference, Text
from canonical.onset import Age, elements

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError


class AllergyUpdate(Action):
    """One allergy or intolerance, or the statement that none is known; its statuses follow from the operation."""

    TYPE: ClassVar[str] = "AllergyUpdate"

    type: Literal["AllergyUpdate"]
    operation: Literal[
        "record",
        "update",
        "addReaction",
        "removeReaction",
        "inactivate",
        "resolve",
        "refute",
        "retract",
        "assertNoneKnown",
        "withdrawNoneKnown",
    ]
    code: CodeableConcept | None = None
    allergy_type: AllergyType | None = None
    category: tuple[AllergyCategory, ...] | None = None
    criticality: Criticality | None = None
    onset_date_time: ClinicalTime | None = None
    onset_age: Age | None = None
    onset_period: Period | None = None
    onset_range: Range | None = None
    onset_string: Text | None = None
    last_occurrence: ClinicalTime | None = None
    reaction: tuple[AllergyReaction, ...] | None = None
    none_known_scope: NoneKnownScope | None = None
    asserter: Reference | None = None
    recorder: Reference | None = None
    recorded_date: ClinicalTime | None = None
    note: tuple[Annotation, ...] | None = None
    change_reason: Text | None = None


def _of(envelope: Envelope) -> AllergyUpdate:
    assert isinstance(envelope.action, AllergyUpdate)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"AllergyIntolerance"}),
        *encounter_errors(envelope),
        *allergy_rules.presence_errors(action),
        *allergy_rules.code_errors(action),
        *allergy_rules.time_errors(envelope, action, now),
        *allergy_rules.people_errors(action),
    ]


def _findings(envelope: Envelope, _now: datetime) -> list[Finding]:
    return allergy_rules.findings(_of(envelope))


def _name(concept: CodeableConcept | None) -> str:
    """Return a concept's first code, else its text."""
    named = sorted(code for _, code in codes(concept.as_json())) if concept else []
    return next(iter(named), (concept.text or "") if concept else "")


def _business_code(action: AllergyUpdate) -> str:
    """Name the substance, of "nothing known" the scope, and the manifestation where the operation is about one."""
    named = action.none_known_scope or _name(action.code)
    reactions = [_name(reaction.manifestation[0]) for reaction in action.reaction or ()]
    return ":".join([named, *reactions] if action.operation in {"addReaction", "removeReaction"} else [named])


#: What a change of an entry names it by; only an update may make it say something else.
_DESCRIBES = frozenset({"code", "noneKnownScope"})
_CHANGE = OperationRule(needs_seen=True, describes=_DESCRIBES)
#: What takes a warning away, or may lower one.
_RISKY = replace(_CHANGE, high_risk=True)
_ENDS = replace(_RISKY, moves_status=True)

SPEC = ActionSpec(
    model=AllergyUpdate,
    operations={
        "record": OperationRule(creates=True),
        "update": OperationRule(needs_seen=True, high_risk=True),
        "addReaction": _CHANGE,
        "removeReaction": _RISKY,
        "inactivate": _ENDS,
        "resolve": _ENDS,
        "refute": _ENDS,
        "retract": OperationRule(needs_seen=True, takes_back=True, high_risk=True),
        "assertNoneKnown": OperationRule(creates=True),
        "withdrawNoneKnown": replace(_CHANGE, moves_status=True),
    },
    undone_by={
        "record": ("inactivate",),
        "update": ("update",),
        "addReaction": ("removeReaction",),
        "removeReaction": ("addReaction",),
    },
    field_groups=(
        FieldGroup(
            name="allergy",
            fields=("code", "allergyType", "category", "criticality", "reaction", "noneKnownScope"),
            significance="high",
        ),
        FieldGroup(name="status", fields=("clinicalStatus", "verificationStatus", "changeReason"), significance="high"),
        FieldGroup(name="course", fields=(*elements("onset"), "lastOccurrence"), significance="medium"),
        FieldGroup(name="source", fields=("asserter", "recorder", "recordedDate"), significance="low"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=lambda action: action.recorded_date,
    check=_check,
    findings=_findings,
    surroundings=SURROUNDINGS,
    context=CONTEXT,
    receipt_note="Recorded on the allergy list; interactions with medicines were not checked.",
)
