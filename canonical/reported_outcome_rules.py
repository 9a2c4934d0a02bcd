"""What a patient's answers may say: which fields an operation takes, questions, scores, times, people. No score is computed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from canonical.action import Finding
from canonical.clinical_context import birth_errors, future_errors
from canonical.code_systems import LOINC
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.people import named_error
from canonical.questionnaire_lists import questionnaire_lists
from canonical.self_harm import answered_positively, walk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from canonical.actions.patient_reported_outcome import PatientReportedOutcome
    from canonical.envelope import Envelope

_FRAME = frozenset({"type", "operation"})
_ANSWERS = ("questionnaire", "authored", "source", "item", "score", "partial")
#: operation → fields it takes. ``questionnaire``, where it is not written, names the questionnaire meant.
TAKES: Mapping[str, tuple[str, ...]] = {
    "record": (*_ANSWERS, "basedOn"),
    "correct": _ANSWERS,
    "retract": ("questionnaire", "retractReason"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "record": ("questionnaire", "authored", "source", "item"),
    "retract": ("retractReason",),
}
#: Who may have answered. Source: HL7 FHIR R4 (4.0.1), ``QuestionnaireResponse.source``.
_SOURCES = frozenset({"Patient", "RelatedPerson", "Practitioner", "PractitionerRole"})
#: An absolute address or ``Questionnaire/id``, with a version after a bar where one is known.
_CANONICAL = re.compile(r"([a-z][a-z0-9+.\-]*:[^\s|]+|Questionnaire/[A-Za-z0-9\-.]{1,64})(\|[^\s|]+)?")
_LOINC_CODE = re.compile(r"\d{1,7}-\d")


def _error(pointer: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=pointer, code=code, detail=detail)


def presence_errors(action: PatientReportedOutcome) -> list[FieldError]:
    """Return what an operation lacks, has without taking it, or cannot clear."""
    foreign = sorted(stated(action) - _FRAME - set(TAKES[action.operation]))
    wrong = [
        *required_errors(action, REQUIRED.get(action.operation, ())),
        *unwanted_errors(action, foreign, f"'{action.operation}' does not have it"),
        *clear_errors(action, ("score",) if action.operation == "correct" else ()),
    ]
    if action.operation == "correct" and not set(action.as_json()) - _FRAME - {"questionnaire"}:
        wrong.append(_error("/action", "nothing-to-change", "state what is to be corrected"))
    return wrong


def questionnaire_errors(action: PatientReportedOutcome) -> list[FieldError]:
    """Return an error when the questionnaire is named by nothing that could find it."""
    if action.questionnaire is None or _CANONICAL.fullmatch(action.questionnaire):
        return []
    detail = "its canonical address, or 'Questionnaire/id', with '|version' where one is known"
    return [_error("/action/questionnaire", "questionnaire-address", detail)]


def item_errors(action: PatientReportedOutcome) -> list[FieldError]:
    """Return each question whose words are missing, and an error when nothing was answered at all."""
    if action.item is None:
        return []
    items = list(walk(action.as_json()["item"], "/action/item"))
    detail = "state the question as it was shown"
    wrong = [
        _error(f"{pointer}/text", "required", detail)
        for pointer, item in items
        if "answer" in item and "text" not in item
    ]
    if not any("answer" in item for _, item in items):
        wrong.append(_error("/action/item", "no-answer", "nothing was answered"))
    return wrong


def score_errors(action: PatientReportedOutcome) -> list[FieldError]:
    """Return each score without a LOINC code or a number, and each that its instrument cannot give."""
    wrong = []
    for at, score in enumerate(action.score or ()):
        here, code, value = f"/action/score/{at}", score.code.code_in(LOINC), score.value_quantity.value
        if code is None or _LOINC_CODE.fullmatch(code) is None:
            wrong.append(_error(f"{here}/code", "loinc-required", "name the score by its LOINC code"))
        limits = questionnaire_lists().scores.get(code or "")
        if value is None:
            wrong.append(_error(f"{here}/valueQuantity/value", "required", "a score is a number"))
        elif limits is not None and not limits.low <= value <= limits.high:
            detail = f"{limits.title} lies between {limits.low} and {limits.high}"
            wrong.append(_error(f"{here}/valueQuantity/value", "value-impossible", detail))
    return wrong


def source_errors(envelope: Envelope, action: PatientReportedOutcome) -> list[FieldError]:
    """Return what is wrong with who answered: nobody to be found, or another patient."""
    source = action.source
    wrong = named_error("/action/source", source, _SOURCES)
    reference = source.reference if source else None
    if reference is not None and reference.startswith("Patient/") and reference != envelope.patient.reference:
        wrong.append(_error("/action/source/reference", "other-patient", "the answers are another patient's"))
    return wrong


def time_errors(envelope: Envelope, action: PatientReportedOutcome, now: datetime) -> list[FieldError]:
    """Return an error when it was answered ahead of now or before birth."""
    return [
        *future_errors([("/action/authored", action.authored)], now),
        *birth_errors(envelope, "/action/authored", action.authored),
    ]


def findings(envelope: Envelope, action: PatientReportedOutcome) -> list[Finding]:
    """Return the answers that a person should see at once, and such answers that are taken away; nothing waits for that."""
    pointer = answered_positively(action.as_json().get("item"))
    if pointer is not None:
        return [_finding("urgent_answer", pointer, "a question about harming oneself was answered with more than no")]
    seen = (envelope.target.seen or {}).get("item") if envelope.target else None
    takes_away = action.operation == "retract" or action.item is not None
    if takes_away and answered_positively(seen) is not None:
        detail = "an answer that told of harming oneself is taken away"
        return [_finding("urgent_answer_withdrawn", "/target/seen/item", detail)]
    return []


def _finding(kind: str, pointer: str, detail: str) -> Finding:
    return Finding(kind=kind, severity="high", holds=False, pointer=pointer, detail=detail)
