from typing import Any

import pytest

from adapters.athenahealth import ADAPTER, AthenaAdapter
from adapters.wire import Answer
from canonical import exact_json
from canonical.errors import NeedsPersonError, TargetMovedError
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation, Surrounding
from tests.adapters.commands import NOW, command
from tests.adapters.test_athenahealth import OPTIONS, PATIENT, RXNORM, VISIT, form, one
from tests.adapters.vendors import UnmappedCodeError, planned, refuses, site

SNOMED = "http://snomed.info/sct"
PENICILLIN = {"coding": [{"system": RXNORM, "code": "7980"}], "text": "penicillin G"}
HIVES = {"coding": [{"system": SNOMED, "code": "126485001"}], "text": "hives"}
RASH = {"coding": [{"system": SNOMED, "code": "271807003"}], "text": "rash"}
ALLERGY: dict[str, Any] = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": PENICILLIN,
    "criticality": "high",
    "reaction": [{"manifestation": [HIVES], "severity": "moderate"}],
}
LISTS = site(**{**OPTIONS, "codes": {"allergy": {f"{RXNORM}|7980": "12345"}}, "accepts_update_window": True})
IN_CHART: dict[str, Any] = {
    "resourceType": "AllergyIntolerance",
    "id": "a-195900.allergy-1",
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]
    },
    "patient": {"reference": "Patient/a-195900.E-77"},
    "code": PENICILLIN,
    "criticality": "high",
    "reaction": [{"manifestation": [HIVES], "severity": "moderate"}],
}
TARGET = {
    "reference": "AllergyIntolerance/a-195900.allergy-1",
    "seen": {"code": PENICILLIN, "reaction": IN_CHART["reaction"]},
}
PROBLEM: dict[str, Any] = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": {"coding": [{"system": SNOMED, "code": "38341003"}], "text": "Hypertension"},
    "onsetDateTime": "2024-05-01",
}


def allergens(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exact_json.parse(form(operation)["allergies"])
    return found


def react(kind: str, what: dict[str, Any], current: dict[str, Any] = IN_CHART, at: Any = LISTS) -> Operation:
    reason = {"changeReason": "never seen"} if kind == "removeReaction" else {}
    action = {
        "type": "AllergyUpdate",
        "operation": kind,
        "code": PENICILLIN,
        "reaction": [{"manifestation": [what]}],
        **reason,
    }
    (operation,) = planned(ADAPTER, action, at, current=current, target=TARGET, **PATIENT)
    return operation


def test_allergy_is_put_by_allergen_with_its_reactions() -> None:
    operation = one(ALLERGY, LISTS)
    request = ADAPTER.request(operation, LISTS)
    assert (request.method, request.path) == ("PUT", "chart/77/allergies")
    hives = {
        "reactionname": "hives",
        "snomedcode": "126485001",
        "severity": "moderate",
        "severitysnomedcode": "6736007",
    }
    assert allergens(operation) == [
        {"allergenid": "12345", "allergenname": "penicillin G", "reactions": [hives], "criticality": "high"}
    ]


def test_allergy_beside_an_entry_of_its_allergen_would_replace_that_and_is_for_a_person() -> None:
    with pytest.raises(NeedsPersonError, match="replace"):
        ADAPTER.plan(command(ALLERGY, **PATIENT), Surrounding(beside=(IN_CHART,)), LISTS)
    other = {**IN_CHART, "code": {"coding": [{"system": RXNORM, "code": "1"}]}}
    assert ADAPTER.plan(command(ALLERGY, **PATIENT), Surrounding(beside=(other,)), LISTS)


def test_added_reaction_leaves_with_all_that_are_there() -> None:
    operation = react("addReaction", RASH)
    assert [item["snomedcode"] for item in allergens(operation)[0]["reactions"]] == ["126485001", "271807003"]
    assert operation.reference == TARGET["reference"]
    assert ADAPTER.classify(operation, Answer(status=200, body=b'{"success": true}'), NOW).outcome is Outcome.APPLIED


def test_removed_reaction_is_left_out() -> None:
    assert allergens(react("removeReaction", HIVES))[0]["reactions"] == []


def test_reaction_that_could_not_be_said_again_stops_the_merge() -> None:
    bare = {**IN_CHART, "reaction": [{"manifestation": [{"text": "swelling"}]}]}
    target = {**TARGET, "seen": {"code": PENICILLIN, "reaction": bare["reaction"]}}
    action = {
        "type": "AllergyUpdate",
        "operation": "addReaction",
        "code": PENICILLIN,
        "reaction": [{"manifestation": [RASH]}],
    }
    refuses(ADAPTER, action, LISTS, "SNOMED", current=bare, target=target, **PATIENT)


def test_merge_needs_what_the_author_saw_and_a_hospital_that_accepts_its_window() -> None:
    with pytest.raises(NeedsPersonError, match="no guard"):
        react("addReaction", RASH, at=site(**{**LISTS.options, "accepts_update_window": False}))
    moved = {**IN_CHART, "reaction": [{"manifestation": [RASH]}]}
    with pytest.raises(TargetMovedError):
        react("addReaction", RASH, moved)


def test_reactions_read_back_in_another_grouping_are_the_same_and_a_missing_one_is_noticed() -> None:
    operation = react("addReaction", RASH)
    stored = {**IN_CHART, "reaction": [*IN_CHART["reaction"], {"manifestation": [RASH]}]}
    assert ADAPTER.differences(operation, stored, LISTS) == ()
    assert ADAPTER.differences(operation, IN_CHART, LISTS) == ("reaction",)
    wrong = {**stored, "verificationStatus": {"coding": [{"system": "v", "code": "entered-in-error"}]}}
    assert ADAPTER.differences(operation, wrong, LISTS) == ("status",)
    read = Answer(status=200, body=exact_json.dumps(stored).encode())
    assert ADAPTER.read_probe(operation, read, LISTS).verdict is ProbeVerdict.APPLIED
    before = Answer(status=200, body=exact_json.dumps(IN_CHART).encode())
    assert ADAPTER.read_probe(operation, before, LISTS).verdict is ProbeVerdict.CANNOT_TELL


def test_problem_is_posted_by_its_snomed_code_and_day() -> None:
    operation = one(PROBLEM, LISTS)
    assert operation.path == "chart/77/problems"
    assert form(operation) == {"departmentid": "150", "snomedcode": "38341003", "startdate": "05/01/2024"}
    assert isinstance(ADAPTER, AthenaAdapter)
    said = ADAPTER.said(operation, LISTS)
    assert ADAPTER.differences(operation, {**said, "id": "c1"}, LISTS) == ()


def test_problem_without_a_snomed_code_is_for_a_person_unless_the_connection_maps_it() -> None:
    icd = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}], "text": "Hypertension"}
    with pytest.raises(UnmappedCodeError):
        one({**PROBLEM, "code": icd}, LISTS)
    mapped = site(**{**OPTIONS, "codes": {"problem": {"http://hl7.org/fhir/sid/icd-10-cm|I10": "38341003"}}})
    assert form(one({**PROBLEM, "code": icd}, mapped))["snomedcode"] == "38341003"


def test_diagnosis_of_an_encounter_is_no_entry_of_the_problem_list() -> None:
    refuses(ADAPTER, {**PROBLEM, "category": "encounter-diagnosis"}, LISTS, "place|problem list", **PATIENT, **VISIT)
