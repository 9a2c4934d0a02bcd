"""Synthetic actions on the allergy list and the problem list as an app sends them, consistent with themselves."""

from __future__ import annotations

from typing import Any

from tests.factories import ABSENT, RXNORM, SNOMED_CT, Json, concept

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"


def with_members(members: Json, over: Json) -> Json:
    """Return ``members`` with those of ``over``; ``ABSENT`` takes one out."""
    return {name: value for name, value in (members | over).items() if value is not ABSENT}


def reaction_json(**over: Any) -> Json:
    """Return one reaction of an allergy: hives, mild."""
    return with_members({"manifestation": [concept(SNOMED_CT, "126485001", "hives")], "severity": "mild"}, over)


def allergy_update_json(operation: str = "record", **over: Any) -> Json:
    """Return an ``AllergyUpdate`` about penicillin, with what ``operation`` needs and no more."""
    action: Json = {"type": "AllergyUpdate", "operation": operation}
    if operation in {"assertNoneKnown", "withdrawNoneKnown"}:
        return with_members(action | {"noneKnownScope": "all"}, over)
    if operation != "update":
        action["code"] = concept(RXNORM, "7980", "penicillin G")
    if operation in {"record", "update"}:
        action |= {"category": ["medication"], "criticality": "high"}
    if operation in {"record", "addReaction", "removeReaction"}:
        action["reaction"] = [reaction_json()]
    if operation in {"removeReaction", "inactivate", "resolve", "refute", "retract"}:
        action["changeReason"] = "tolerated amoxicillin in the clinic"
    return with_members(action, over)


def problem_update_json(operation: str = "add", **over: Any) -> Json:
    """Return a ``ProblemUpdate`` about type 2 diabetes on the problem list, with what ``operation`` needs and no more."""
    action: Json = {"type": "ProblemUpdate", "operation": operation, "category": "problem-list-item"}
    if operation == "update":
        action["severity"] = concept(SNOMED_CT, "6736007", "moderate")
    else:
        action["code"] = problem_code()
    if operation in {"inactivate", "refute", "retract"}:
        action["changeReason"] = "HbA1c in the normal range, without medicines"
    return with_members(action, over)


def problem_code(**over: Any) -> Json:
    """Return type 2 diabetes in both code systems, as its author chose it in one."""
    codings = [
        {"system": SNOMED_CT, "code": "44054006", "display": "Type 2 diabetes mellitus", "userSelected": True},
        {"system": ICD_10_CM, "code": "E11.9", "display": "Type 2 diabetes mellitus without complications"},
    ]
    return with_members({"coding": codings, "text": "Type 2 diabetes"}, over)
