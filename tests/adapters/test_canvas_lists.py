from typing import Any

import pytest

from adapters.canvas import ADAPTER
from canonical.errors import UnsupportedActionError
from canonical.ports import Operation, Surrounding
from tests.adapters.commands import command
from tests.adapters.test_canvas import CHANGED, FDB, RXNORM, SITE
from tests.adapters.vendors import body, planned, refuses, site

PENICILLIN = {"coding": [{"system": RXNORM, "code": "7980"}], "text": "penicillin G"}
ALLERGY: dict[str, Any] = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": PENICILLIN,
    "allergyType": "allergy",
    "reaction": [{"manifestation": [{"text": "hives"}], "severity": "moderate"}],
}
ALLERGIES = site(codes={"allergy": {f"{RXNORM}|7980": "2-15588"}})
PROBLEM: dict[str, Any] = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}], "text": "Hypertension"},
    "onsetDateTime": "2024-05-01",
}
DOCTOR: dict[str, Any] = {"author": {"role": "physician", "reference": "Practitioner/d1"}}


THO = "http://terminology.hl7.org/CodeSystem/"


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def taken_back(action: dict[str, Any], resource: dict[str, Any]) -> Operation:
    target = {"reference": f"{resource['resourceType']}/x1", "versionId": CHANGED, "seen": {"code": resource["code"]}}
    (operation,) = planned(ADAPTER, action, ALLERGIES, current=resource, version=CHANGED, target=target)
    return operation


def test_allergy_goes_out_by_its_fdb_code_and_without_a_certainty_that_nobody_stated() -> None:
    (operation,) = planned(ADAPTER, ALLERGY, ALLERGIES)
    sent = body(operation)
    assert sent["code"]["coding"] == [{"system": FDB, "code": "2-15588", "display": "penicillin G"}]
    assert "verificationStatus" not in sent
    stored = {**sent, "id": "a1", "verificationStatus": {"coding": [{"system": "v", "code": "confirmed"}]}}
    assert ADAPTER.differences(operation, stored, ALLERGIES) == ()
    assert "reaction" in ADAPTER.differences(operation, {**stored, "reaction": []}, ALLERGIES)


def test_criticality_of_an_allergy_would_be_lost_and_is_refused() -> None:
    refuses(ADAPTER, {**ALLERGY, "criticality": "high"}, ALLERGIES, "criticality")


def test_allergy_beside_the_statement_that_none_is_known_is_not_sent_since_that_cannot_be_made_inactive() -> None:
    none_known = {
        "resourceType": "AllergyIntolerance",
        "id": "n1",
        "meta": {"lastUpdated": CHANGED},
        "clinicalStatus": coded(f"{THO}allergyintolerance-clinical", "active"),
        "code": coded("http://snomed.info/sct", "716186003"),
        "patient": {"reference": "Patient/p1"},
    }
    with pytest.raises(UnsupportedActionError, match="takes a AllergyIntolerance back"):
        ADAPTER.plan(command(ALLERGY), Surrounding(beside=(none_known,)), ALLERGIES)


WRONG_ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "clinicalStatus": coded(f"{THO}allergyintolerance-clinical", "active"),
    "code": PENICILLIN,
    "patient": {"reference": "Patient/p1"},
}
WRONG_PROBLEM = {
    "resourceType": "Condition",
    "clinicalStatus": coded(f"{THO}condition-clinical", "resolved"),
    "category": [coded(f"{THO}condition-category", "problem-list-item")],
    "code": PROBLEM["code"],
    "subject": {"reference": "Patient/p1"},
    "abatementDateTime": "2025-01-01",
    "note": [{"text": "old"}],
}
RETRACT = {"operation": "retract", "changeReason": "wrong patient"}


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ({"type": "AllergyUpdate", "code": PENICILLIN, **RETRACT}, WRONG_ALLERGY),
        ({"type": "ProblemUpdate", "code": PROBLEM["code"], "category": "problem-list-item", **RETRACT}, WRONG_PROBLEM),
    ],
)
def test_retraction_of_a_list_entry_sends_the_mark_and_nothing_else_that_is_new(
    action: dict[str, Any], resource: dict[str, Any]
) -> None:
    whole = {"id": "x1", "meta": {"lastUpdated": CHANGED}, **resource}
    operation = taken_back(action, whole)
    sent = body(operation)
    assert operation.if_match == CHANGED
    assert sent["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert sent.get("note") == resource.get("note")
    assert not {"clinicalStatus", "abatementDateTime"} & set(sent)
    stored = {**whole, "verificationStatus": sent["verificationStatus"]}
    assert ADAPTER.differences(operation, stored, ALLERGIES) == ()
    assert "verificationStatus" in ADAPTER.differences(operation, whole, ALLERGIES)


@pytest.mark.parametrize("operation", ["update", "resolve", "inactivate", "reactivate", "refute"])
def test_problem_is_never_changed_since_that_would_take_it_back(operation: str) -> None:
    reason = {} if operation == "update" else {"changeReason": "asked"}
    action = {
        "type": "ProblemUpdate",
        "operation": operation,
        "category": "problem-list-item",
        "code": PROBLEM["code"],
        **reason,
    }
    target = {
        "reference": "Condition/c1",
        "versionId": CHANGED,
        "seen": {"code": PROBLEM["code"]},
    }
    with pytest.raises(UnsupportedActionError, match="entered in error"):
        planned(
            ADAPTER, action, SITE, current={"resourceType": "Condition", "id": "c1"}, version=CHANGED, target=target
        )


def test_problem_goes_out_as_its_author_coded_it() -> None:
    (operation,) = planned(ADAPTER, PROBLEM, SITE)
    sent = body(operation)
    assert sent["code"] == PROBLEM["code"]
    assert sent["clinicalStatus"]["coding"][0]["code"] == "active"
    refuses(ADAPTER, {**PROBLEM, "bodySite": [{"text": "left"}]}, SITE, "bodySite")


def test_only_a_patients_message_to_one_practitioner_is_sent() -> None:
    message = {
        "type": "CareMessage",
        "operation": "send",
        "payload": [{"contentString": "a < b & I feel better"}],
        "recipient": [{"reference": "Practitioner/d1"}],
    }
    patient: dict[str, Any] = {"author": {"role": "patient", "reference": "Patient/p1"}}
    (operation,) = planned(ADAPTER, message, SITE, **patient)
    sent = body(operation)
    assert (sent["status"], sent["sender"]) == ("unknown", {"reference": "Patient/p1"})
    html = {**sent, "id": "m1", "payload": [{"contentString": "<p>a &lt; b &amp; I feel better</p>"}], "sent": CHANGED}
    assert ADAPTER.differences(operation, html, SITE) == ()
    assert "payload" in ADAPTER.differences(operation, {**html, "payload": [{"contentString": "<p>worse</p>"}]}, SITE)
    refuses(ADAPTER, message, SITE, "stay drafts", **DOCTOR)


ASKED: dict[str, Any] = {
    "type": "CareTask",
    "operation": "create",
    "description": "Call the patient",
    "note": [{"text": "one"}],
}
TASK: dict[str, Any] = {
    "resourceType": "Task",
    "id": "t1",
    "meta": {"lastUpdated": CHANGED},
    "status": "requested",
    "intent": "unknown",
    "description": "Call the patient",
    "for": {"reference": "Patient/p1"},
    "requester": {"reference": "Practitioner/d1"},
    "owner": {"reference": "Practitioner/d2"},
    "note": [{"text": "one"}],
    "input": [{"type": {"text": "label"}, "valueString": "Urgent"}],
}


def test_task_is_asked_for_by_a_practitioner_with_the_intent_that_is_taken() -> None:
    (operation,) = planned(ADAPTER, ASKED, SITE, **DOCTOR)
    sent = body(operation)
    assert (sent["intent"], sent["requester"], sent["for"]) == (
        "unknown",
        {"reference": "Practitioner/d1"},
        {"reference": "Patient/p1"},
    )
    refuses(ADAPTER, ASKED, SITE, "practitioner asks for")
    refuses(ADAPTER, {**ASKED, "priority": "urgent"}, SITE, "priority", **DOCTOR)


def test_task_is_ended_by_the_whole_task_with_the_comments_that_are_new() -> None:
    action = {"type": "CareTask", "operation": "cancel", "statusReason": {"text": "done by phone"}}
    target = {"reference": "Task/t1", "versionId": CHANGED}
    (operation,) = planned(ADAPTER, action, SITE, current=TASK, version=CHANGED, target=target, **DOCTOR)
    sent = body(operation)
    assert sent == {
        **{k: v for k, v in TASK.items() if k != "meta"},
        "status": "cancelled",
        "note": [{"text": "done by phone"}],
    }
    assert "If-Unmodified-Since" in ADAPTER.request(operation, SITE).headers
    stored = {**sent, "note": [*TASK["note"], *sent["note"]]}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    assert ADAPTER.differences(operation, {**stored, "note": TASK["note"]}, SITE) == ("note",)
    assert ADAPTER.differences(operation, {**stored, "owner": {"reference": "Practitioner/d3"}}, SITE) == ("owner",)


def test_what_a_task_is_called_stands_before_its_description_and_routine_needs_no_priority() -> None:
    called = {**ASKED, "code": {"text": "For the chart, by hand"}, "priority": "routine"}
    sent = body(planned(ADAPTER, called, SITE, **DOCTOR)[0])
    assert sent["description"] == "For the chart, by hand\nCall the patient"
    assert not {"code", "priority"} & sent.keys()
    coded = {"coding": [{"system": "urn:example", "code": "1"}], "text": "call"}
    refuses(ADAPTER, {**ASKED, "code": coded}, SITE, "no place for code", **DOCTOR)
