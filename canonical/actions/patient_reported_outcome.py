"""What a patient, or somebody who knows them, answered to a questionnaire: recorded, corrected, taken back. No assessment of it.

A ``score`` is kept as whoever asked gave it, together with the answers it was made of; none is ever computed. It is no
Observation of its own: what counts as a finding of the hospital's, the hospital decides.

Source: HL7 FHIR R4 (4.0.1) ``QuestionnaireResponse``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from canonical import reported_outcome_rules as rules
from canonical.action import Action, ActionSpec, FieldGroup, Finding, OperationRule
from canonical.clinical_context import encounter_errors, target_type_errors
from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Boolean, Reference, Text, Uri
from canonical.questionnaire import ReportedItem, ReportedScore
from canonical.self_harm import answered_positively

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.envelope import Envelope
    from canonical.errors import FieldError


class PatientReportedOutcome(Action):
    """The answers to one questionnaire; ``partial``: some are still to come. A correction states its ``item`` whole."""

    TYPE: ClassVar[str] = "PatientReportedOutcome"

    type: Literal["PatientReportedOutcome"]
    operation: Literal["record", "correct", "retract"]
    questionnaire: Uri | None = None
    partial: Boolean | None = None
    authored: ClinicalTime | None = None
    source: Reference | None = None
    item: tuple[ReportedItem, ...] | None = None
    score: tuple[ReportedScore, ...] | None = None
    based_on: tuple[Reference, ...] | None = None
    retract_reason: Text | None = None


def _of(envelope: Envelope) -> PatientReportedOutcome:
    assert isinstance(envelope.action, PatientReportedOutcome)  # noqa: S101 - the registry looks up by type
    return envelope.action


def _check(envelope: Envelope, now: datetime) -> list[FieldError]:
    action = _of(envelope)
    return [
        *target_type_errors(envelope, {"QuestionnaireResponse"}),
        *encounter_errors(envelope),
        *rules.presence_errors(action),
        *rules.questionnaire_errors(action),
        *rules.item_errors(action),
        *rules.score_errors(action),
        *rules.source_errors(envelope, action),
        *rules.time_errors(envelope, action, now),
    ]


def _findings(envelope: Envelope, _now: datetime) -> list[Finding]:
    return rules.findings(envelope, _of(envelope))


def _marks(envelope: Envelope, _now: datetime) -> tuple[str, ...]:
    return ("critical",) if answered_positively(_of(envelope).as_json().get("item")) is not None else ()


def _business_code(action: PatientReportedOutcome) -> str:
    """Name the questionnaire whatever its version: one event upstream may bring the answers to several."""
    return (action.questionnaire or "").partition("|")[0]


#: The answers stay those to their questionnaire, and whether that was all of them moves the status alone.
_CORRECT = OperationRule(needs_seen=True, high_risk=True, describes=frozenset({"questionnaire", "partial"}))

SPEC = ActionSpec(
    model=PatientReportedOutcome,
    operations={
        "record": OperationRule(creates=True),
        "correct": _CORRECT,
        "retract": OperationRule(needs_seen=True, takes_back=True, high_risk=True),
    },
    undone_by={"record": ("correct",), "correct": ("correct",)},
    field_groups=(
        FieldGroup(name="answers", fields=("questionnaire", "item", "score"), significance="high"),
        FieldGroup(name="status", fields=("status", "partial", "retractReason"), significance="high"),
        FieldGroup(name="time", fields=("authored",), significance="high"),
        FieldGroup(name="source", fields=("source", "basedOn"), significance="medium"),
    ),
    business_code=_business_code,
    clinical_time=lambda action: action.authored,
    check=_check,
    findings=_findings,
    marks=_marks,
    receipt_note="Recorded as answers to a questionnaire; nobody has assessed them, and no score was computed.",
)
