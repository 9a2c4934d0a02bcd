"""An entry of the problem list, a diagnosis of an encounter, or a health concern, and what becomes of it. No billing.

Source: HL7 FHIR R4 (4.0.1) ``Condition``; US Core Condition Problems and Health Concerns, Condition Encounter Diagnosis.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from canonical import problem_rules
from canonical.action import Action, ActionSpec, FieldGroup, OperationRule
from canonical.clinical_context import encounter_errors, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.concepts import codes
from canonical.condition import ConditionEvidence, ConditionStage, ProblemCategory
from canonical.datatypes import Annotation, CodeableConcept, Period, Range, Reference, Text
from canonical.onset import Age, elements
from canonical.problem_context import CONTEXT
from canonical.problem_surroundings import SURROUNDINGS

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError


class ProblemUpdate(Action):
    """One problem on one list (``category``); its statuses follow from the operation."""

    TYPE: ClassVar[str] = "ProblemUpdate"

    type: Literal["ProblemUpdate"]
    operation: Literal["add", "update", "resolve", "inactivate", "reactivate", "refute", "retract"]
    category: ProblemCategory
    code: CodeableConcept | None = None
    severity: CodeableConcept | None = None
    body_site: tuple[CodeableConcept, ...] | None = None
    onset_date_time: ClinicalTime | None = None
    onset_age: Age | None = None
    onset_period: Period | None = None
    onset_range: Range | None = None
    onset_string: Text | None = None
    abatement_date_time: ClinicalTime | None = None
    abatement_age: Age | None = None
    abatement_period: Period | None = None
    abatement_range: Range | None = None
    abatement_string: Text | None = None
    stage: tuple[ConditionStage, ...] | None = None
    evidence: tuple[ConditionEvidence, ...] | None = None
    asserter: Reference | None = None
    recorder: Reference | None = None
    recorded_date: ClinicalTime | None = None
    note: tuple[Annotation, ...] | None = None
    change_reason: Text | None = None


def _of(envelope: Envelope) -> ProblemUpdate:
    assert isinstance(envelope.action, ProblemUpdate)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"Condition"}),
        *encounter_errors(envelope),
        *problem_rules.encounter_error(envelope, action),
        *problem_rules.presence_errors(action),
        *problem_rules.code_errors(action),
        *problem_rules.side_errors(action),
        *problem_rules.time_errors(envelope, action, now),
        *problem_rules.people_errors(action),
    ]


def _business_code(action: ProblemUpdate) -> str:
    """Name the list and the problem: one event upstream may put the same problem on two lists."""
    named = sorted(code for _, code in codes(action.code.as_json())) if action.code else []
    text = (action.code.text or "") if action.code else ""
    return f"{action.category}:{next(iter(named), text)}"


#: What a change of an entry names it by; it stays on its list, and only an update may make it another problem.
_DESCRIBES = frozenset({"code", "category"})
_ENDS = OperationRule(needs_seen=True, high_risk=True, moves_status=True, describes=_DESCRIBES)

SPEC = ActionSpec(
    model=ProblemUpdate,
    operations={
        "add": OperationRule(creates=True),
        "update": OperationRule(needs_seen=True, high_risk=True, describes=frozenset({"category"})),
        "resolve": _ENDS,
        "inactivate": _ENDS,
        "reactivate": replace(_ENDS, high_risk=False),
        "refute": _ENDS,
        "retract": OperationRule(needs_seen=True, takes_back=True, high_risk=True),
    },
    undone_by={
        "add": ("inactivate",),
        "update": ("update",),
        "resolve": ("reactivate",),
        "inactivate": ("reactivate",),
        "reactivate": ("inactivate", "resolve"),
    },
    field_groups=(
        FieldGroup(name="problem", fields=("category", "code", "bodySite", "severity"), significance="high"),
        FieldGroup(name="status", fields=("clinicalStatus", "verificationStatus", "changeReason"), significance="high"),
        FieldGroup(name="course", fields=(*elements("onset"), *elements("abatement")), significance="high"),
        FieldGroup(name="grounds", fields=("stage", "evidence"), significance="medium"),
        FieldGroup(name="source", fields=("asserter", "recorder", "recordedDate"), significance="low"),
        FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
    ),
    business_code=_business_code,
    clinical_time=lambda action: action.recorded_date,
    check=_check,
    surroundings=SURROUNDINGS,
    context=CONTEXT,
)
