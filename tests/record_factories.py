"""Synthetic answers, vaccinations and proposals as an app sends them, consistent with themselves."""

from __future__ import annotations

from typing import Any

from tests.factories import EFFECTIVE, LOINC, Json, concept, quantity
from tests.list_factories import with_members

CVX = "http://hl7.org/fhir/sid/cvx"
NDC = "http://hl7.org/fhir/sid/ndc"
PHQ_9 = "http://loinc.org/q/44249-1|2.77"
NOT_AT_ALL: Json = {"system": LOINC, "code": "LA6568-5", "display": "Not at all"}
SEVERAL_DAYS: Json = {"system": LOINC, "code": "LA6569-3", "display": "Several days"}


def answered(link_id: str, text: str, /, *values: Json, **over: Any) -> Json:
    """Return one question with its answers, each a ``value[x]``."""
    return with_members({"linkId": link_id, "text": text, "answer": list(values)}, over)


def self_harm_json(coding: Json = NOT_AT_ALL, **over: Any) -> Json:
    """Return the PHQ-9's ninth question with one answer."""
    text = "Thoughts that you would be better off dead, or of hurting yourself in some way"
    return answered("/44260-8", text, {"valueCoding": coding}, **over)


def phq_items(coding: Json = NOT_AT_ALL) -> list[Json]:
    """Return a questionnaire's group of two questions, the last one the ninth of the PHQ-9."""
    first = answered("/44250-9", "Little interest or pleasure in doing things", {"valueCoding": SEVERAL_DAYS})
    return [{"linkId": "/44249-1", "text": "Over the last two weeks", "item": [first, self_harm_json(coding)]}]


def score_json(value: str = "4", loinc: str = "44261-6", **over: Any) -> Json:
    """Return the PHQ-9's total score."""
    members = {
        "code": concept(LOINC, loinc, "PHQ-9 total score"),
        "valueQuantity": quantity(value, "{score}", "{score}"),
    }
    return with_members(members, over)


def patient_reported_outcome_json(operation: str = "record", **over: Any) -> Json:
    """Return a ``PatientReportedOutcome`` of a PHQ-9, with what ``operation`` needs and no more."""
    action: Json = {"type": "PatientReportedOutcome", "operation": operation}
    if operation == "retract":
        return with_members(action | {"retractReason": "answered for somebody else"}, over)
    if operation == "record":
        action |= {"questionnaire": PHQ_9, "authored": EFFECTIVE, "source": {"reference": "Patient/p1"}}
    return with_members(action | {"item": phq_items()}, over)


def vaccine_code(code: str = "207", text: str = "COVID-19, mRNA, LNP-S, PF, 100 mcg/0.5 mL dose") -> Json:
    """Return a vaccine by its CVX code."""
    return concept(CVX, code, text)


def immunization_record_json(operation: str = "record", **over: Any) -> Json:
    """Return an ``ImmunizationRecord`` of a dose given here, or not given, with what ``operation`` needs and no more."""
    action: Json = {"type": "ImmunizationRecord", "operation": operation}
    needed: dict[str, Json] = {
        "record": {
            "vaccineCode": vaccine_code(),
            "occurrenceDateTime": EFFECTIVE,
            "primarySource": True,
            "lotNumber": "AB1234",
        },
        "recordNotDone": {
            "vaccineCode": vaccine_code(),
            "occurrenceDateTime": "2026-03-10",
            "statusReason": {"text": "the patient refused"},
        },
        "correct": {"lotNumber": "AB1235"},
        "retract": {"changeReason": "given to somebody else"},
    }
    return with_members(action | needed[operation], over)


def order_request_json(operation: str = "propose", **over: Any) -> Json:
    """Return an ``OrderRequest`` for a haemoglobin A1c, with what ``operation`` needs and no more."""
    action: Json = {"type": "OrderRequest", "operation": operation}
    needed: dict[str, Json] = {
        "propose": {"code": concept(LOINC, "4548-4", "Hemoglobin A1c")},
        "update": {"priority": "urgent"},
        "cancel": {"statusReason": {"text": "measured elsewhere last week"}},
    }
    return with_members(action | needed[operation], over)
