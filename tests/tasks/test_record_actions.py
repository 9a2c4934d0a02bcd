"""Answers, vaccinations and proposals from the command to the sandbox's chart and back, by a worker's own preparation."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.ehr import RestEhr
from canonical.errors import TargetMovedError
from canonical.outcome import Outcome, ProbeVerdict
from tests.adapters.chart import POST_FAULT, PUT_FAULT, TRACE, at
from tests.adapters.r4 import test_immunization as vaccinations
from tests.adapters.r4 import test_questionnaire_response as answers
from tests.adapters.r4 import test_service_request as proposals
from tests.adapters.r4.lists import ACKNOWLEDGED
from tests.factories import Json
from tests.record_factories import SEVERAL_DAYS, phq_items, vaccine_code
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.test_list_actions import held, prepared, seen, stored, written
from tests.tasks.test_notes import Desk, desk

__all__ = ["desk", "sandbox", "sandbox_server"]

CHANGED: list[tuple[Json, Json]] = [
    (answers.RECORD, answers.of("correct")),
    (vaccinations.RECORD, vaccinations.of("correct")),
    (proposals.PROPOSE, proposals.of("update")),
]
IDS = ["answers", "vaccination", "proposal"]


def status(ehr: RestEhr, reference: str) -> Any:
    return stored(ehr, reference)["status"]


def test_answers_are_recorded_corrected_and_taken_back(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, answers.RECORD)
        assert status(ehr, reference) == "completed"
        written(ehr, answers.of("correct", item=phq_items(SEVERAL_DAYS)), **seen(ehr, reference, "item"))
        assert status(ehr, reference) == "amended"
        created = stored(ehr, reference)["identifier"]
        written(ehr, answers.RETRACT, **seen(ehr, reference, "status", "item"))
        after = stored(ehr, reference)
        assert (after["status"], after["identifier"]) == ("entered-in-error", created)
        assert after["item"][0]["item"][1]["answer"][0]["valueCoding"]["code"] == SEVERAL_DAYS["code"]
    puts = sandbox.requests(method="PUT")
    assert [entry["headers"]["if-match"] for entry in puts] == ['W/"1"', 'W/"2"']


def test_partial_answers_are_finished_later(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        sandbox.seed(
            [
                {
                    "resourceType": "CarePlan",
                    "id": "p1",
                    "status": "active",
                    "intent": "plan",
                    "subject": {"reference": "Patient/p1"},
                }
            ]
        )
        (reference,) = written(ehr, answers.FULL)
        assert status(ehr, reference) == "in-progress"
        written(ehr, answers.of("correct", partial=False), **seen(ehr, reference, "partial", "item", "score"))
        assert status(ehr, reference) == "completed"


def test_a_vaccination_is_recorded_corrected_and_taken_back(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        sandbox.seed([{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "rash"}}])
        (reference,) = written(ehr, vaccinations.FULL)
        written(ehr, vaccinations.of("correct"), **seen(ehr, reference, "lotNumber"))
        assert stored(ehr, reference)["lotNumber"] == "AB1235"
        written(ehr, vaccinations.RETRACT, **seen(ehr, reference, "vaccineCode"))
        assert status(ehr, reference) == "entered-in-error"
        (again,) = written(ehr, vaccinations.FULL)
        assert again != reference, "what was an error is no dose"


def test_the_same_dose_is_not_recorded_twice_and_not_said_to_be_not_given(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        written(ehr, vaccinations.RECORD)
        written(ehr, {**vaccinations.RECORD, "vaccineCode": vaccine_code("150", "influenza")})
        assert (
            held(ehr, {**vaccinations.RECORD, "occurrenceDateTime": "2026-11-22T09:00:00-05:00"})
            == "possible_duplicate"
        )
        assert held(ehr, vaccinations.REPORTED) == "possible_duplicate"
        assert held(ehr, vaccinations.NOT_DONE) == "vaccine_given"
    assert len(sandbox.resources("Immunization")) == 2


def test_a_dose_that_was_not_given_may_be_given_after_all(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        written(ehr, vaccinations.NOT_DONE)
        written(ehr, vaccinations.RECORD)
    assert sorted(item["status"] for item in sandbox.resources("Immunization")) == ["completed", "not-done"]


def test_a_proposal_is_made_changed_and_taken_back_and_never_active(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, proposals.PROPOSE)
        written(ehr, proposals.of("update"), **seen(ehr, reference, "code"))
        assert (status(ehr, reference), stored(ehr, reference)["priority"]) == ("draft", "urgent")
        written(ehr, proposals.CANCEL, **seen(ehr, reference, "code"))
        assert status(ehr, reference) == "revoked"
        assert stored(ehr, reference)["intent"] == "proposal"


def test_a_proposal_that_a_clinician_made_an_order_of_is_theirs(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, proposals.PROPOSE)
        (entry,) = sandbox.resources("ServiceRequest")
        sandbox.edit({**entry, "status": "active", "intent": "order"})
        for action in (proposals.of("update"), proposals.CANCEL):
            assert held(ehr, action, **seen(ehr, reference, "code")) == "not_ours_to_change"
        assert status(ehr, reference) == "active"


@pytest.mark.parametrize(("create", "change"), CHANGED, ids=IDS)
def test_a_clinicians_edit_is_not_overwritten_unseen(sandbox: RunningSandbox, create: Json, change: Json) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, create)
        looked = seen(ehr, reference, "status")
        (entry,) = sandbox.resources(reference.partition("/")[0])
        sandbox.edit({**entry, "language": "en"})
        with pytest.raises(TargetMovedError):
            prepared(ehr, change, **looked)


@pytest.mark.parametrize(("create", "change"), CHANGED, ids=IDS)
def test_lost_answers_are_found_again(sandbox: RunningSandbox, create: Json, change: Json) -> None:
    with at(sandbox) as ehr:
        (operation,) = prepared(ehr, create)
        sandbox.faults({"id": "create", "fault": "commit_then_drop", "match": POST_FAULT, "times": 1})
        assert ehr.send(operation, TRACE).outcome is Outcome.UNKNOWN
        found = ehr.probe(operation, TRACE)
        assert found.verdict is ProbeVerdict.APPLIED
        (again,) = prepared(ehr, change, **seen(ehr, str(found.reference), "status"))
        sandbox.faults({"id": "change", "fault": "commit_then_drop", "match": PUT_FAULT, "times": 1})
        assert ehr.send(again, TRACE).outcome is Outcome.UNKNOWN
        assert ehr.probe(again, TRACE).verdict is ProbeVerdict.APPLIED
        assert ehr.send(operation, TRACE).reference == found.reference, "a second try of the create finds the first"
    assert len(sandbox.resources(operation.resource_type)) == 1


@pytest.mark.parametrize(("create", "change"), CHANGED, ids=IDS)
def test_what_another_wrote_meanwhile_is_no_proof_of_ours(sandbox: RunningSandbox, create: Json, change: Json) -> None:
    with at(sandbox) as ehr:
        (reference,) = written(ehr, create)
        (operation,) = prepared(ehr, change, **seen(ehr, reference, "status"))
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.NOT_APPLIED
        (entry,) = sandbox.resources(operation.resource_type)
        sandbox.edit({**entry, "language": "en"})
        assert ehr.probe(operation, TRACE).verdict is ProbeVerdict.CANNOT_TELL


TAKEN_BACK: list[tuple[str, Json, Json, str]] = [
    ("QuestionnaireResponse", answers.RECORD, answers.RETRACT, "entered-in-error"),
    ("Immunization", vaccinations.RECORD, vaccinations.RETRACT, "entered-in-error"),
    ("ServiceRequest", proposals.PROPOSE, proposals.CANCEL, "revoked"),
]


@pytest.mark.parametrize(("resource_type", "create", "take_back", "status"), TAKEN_BACK, ids=IDS)
def test_what_is_taken_back_stays_in_the_chart_and_its_command_is_compensated(
    desk: Desk, resource_type: str, create: Json, take_back: Json, status: str
) -> None:
    made = desk.write(create)
    assert desk.ward.state(made.command_id) == "verified"
    (entry,) = desk.sandbox.resources(resource_type)
    target = {"command": str(made.command_id), "seen": {"status": entry["status"]}, "acknowledged": ACKNOWLEDGED}
    back = desk.write(take_back, target=target)
    assert [desk.ward.state(item.command_id) for item in (back, made)] == ["verified", "compensated"]
    (after,) = desk.sandbox.resources(resource_type)
    assert (after["id"], after["status"]) == (entry["id"], status)
    assert desk.ward.is_at_rest()


def test_a_second_dose_of_the_day_becomes_a_case_and_nothing_is_sent(desk: Desk) -> None:
    first, second = desk.write(vaccinations.RECORD), desk.write(vaccinations.RECORD)
    assert desk.ward.state(first.command_id) == "verified"
    assert (desk.ward.state(second.command_id), desk.ward.cases(second.command_id)) == (
        "in_review",
        ["possible_duplicate"],
    )
    assert len(desk.sandbox.resources("Immunization")) == 1
