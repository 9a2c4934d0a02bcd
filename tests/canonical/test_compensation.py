"""Every operation that takes an entry back can be given by a reviewer, from what the command that wrote it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from canonical import exact_json
from canonical.action import action_specs, spec_for
from canonical.compensation import Wrote, compensation, compensation_key, is_takeable, principal_of, ways_back
from canonical.envelope import envelope_from
from canonical.idempotency import check_key
from canonical.judgement import AUTHENTICATED, check_authority, check_content, check_target
from canonical.reviewer import Licence, Reviewer
from tests.compound_factories import care_gap_closure_json, medication_reconciliation_json
from tests.factories import (
    NOW,
    care_message_json,
    care_task_json,
    clinical_note_json,
    dosage_json,
    envelope_json,
    medication_change_json,
    vital_reading_json,
)
from tests.list_factories import allergy_update_json, problem_update_json
from tests.record_factories import immunization_record_json, order_request_json, patient_reported_outcome_json

MADE: dict[str, dict[str, Any]] = {
    "VitalReading": vital_reading_json(),
    "MedicationChange": medication_change_json(),
    "MedicationReconciliation": medication_reconciliation_json(),
    "AllergyUpdate": allergy_update_json(),
    "ProblemUpdate": problem_update_json(),
    "ClinicalNote": clinical_note_json(),
    "CareMessage": care_message_json(),
    "CareTask": care_task_json(),
    "CareGapClosure": care_gap_closure_json(),
    "ImmunizationRecord": immunization_record_json(),
    "OrderRequest": order_request_json(),
    "PatientReportedOutcome": patient_reported_outcome_json(),
}
BACK = [(action, operation) for action in action_specs() for operation in ways_back(action)]
ADA = Reviewer(
    tenant="north",
    issuer="https://people.example",
    subject="ada",
    name="Ada",
    licences=frozenset({Licence.PHARMACIST}),
)
WITH_RECORD = Reviewer(
    tenant="north", issuer="https://people.example", subject="bo", name="Bo", fhir_user="https://ehr/Practitioner/p7"
)


def wrote(action: dict[str, Any], **over: Any) -> Wrote:
    fields = {name: value for name, value in action.items() if name not in {"type", "operation"}}
    usual: dict[str, Any] = {"command": uuid4(), "fields": fields, "version": "1", "at": NOW - timedelta(hours=1)}
    return Wrote(**(usual | over))


def taken_back(action: str, operation: str, reviewer: Reviewer = ADA, **over: Any) -> dict[str, Any]:
    made = MADE[action]
    envelope = envelope_from(envelope_json(made))
    body = compensation(
        envelope, wrote(made, **over), operation, reviewer=reviewer, reason="of another patient", now=NOW
    )
    parsed: dict[str, Any] = exact_json.parse(exact_json.dumps(body))
    return parsed


@pytest.mark.parametrize(("action", "operation"), BACK)
def test_what_takes_an_entry_back_passes_every_check_of_the_door(action: str, operation: str) -> None:
    envelope = envelope_from(taken_back(action, operation))
    check_target(envelope)
    check_content(envelope, NOW)
    assert spec_for(envelope.action).rule(envelope.action).takes_back


@pytest.mark.parametrize(("action", "operation"), BACK)
def test_the_reviewer_is_its_author_in_person_and_may_give_nothing_else(action: str, operation: str) -> None:
    for reviewer in (ADA, WITH_RECORD):
        envelope = envelope_from(taken_back(action, operation, reviewer))
        principal = principal_of(reviewer, action, operation)
        assert check_authority(envelope, principal) == AUTHENTICATED
        assert principal.scopes == {f"writeback/{action}.{operation}"}
        assert principal.actor == f"app:writeback-review person:{reviewer.subject}"


@pytest.mark.parametrize(("action", "operation"), BACK)
def test_it_names_the_command_and_the_version_that_it_wrote(action: str, operation: str) -> None:
    target = taken_back(action, operation, version="7")["target"]
    assert (target["versionId"], "reference" in target) == ("7", False)
    assert "command" in target
    rule = action_specs()[action].operations[operation]
    assert ("acknowledged" in target) == rule.high_risk
    assert ("seen" in target) == rule.needs_seen


def test_where_the_ehr_states_no_version_all_that_was_written_is_what_must_still_stand_there() -> None:
    target = taken_back("VitalReading", "retract", version=None)["target"]
    assert "versionId" not in target
    assert target["seen"]["valueQuantity"] == MADE["VitalReading"]["valueQuantity"]


def test_an_entry_is_named_as_its_author_named_it() -> None:
    none_known = {"type": "AllergyUpdate", "operation": "assertNoneKnown", "noneKnownScope": "all"}
    said = wrote(none_known, fields={"code": {"text": "No known allergies"}})
    body = compensation(
        envelope_from(envelope_json(none_known)), said, "retract", reviewer=ADA, reason="an error", now=NOW
    )
    action = body["action"]
    assert (action["noneKnownScope"], "code" in action) == ("all", False)


def test_what_a_change_does_not_state_is_named_by_the_entry_that_it_wrote() -> None:
    made = problem_update_json("update")
    code = problem_update_json()["code"]
    body = compensation(
        envelope_from(envelope_json(made, target={"reference": "Condition/c1", "versionId": "1"})),
        wrote(made, fields={"code": code}),
        "retract",
        reviewer=ADA,
        reason="an error",
        now=NOW,
    )
    assert body["action"]["code"] == code


def test_one_wish_has_one_key_and_another_wish_another() -> None:
    command, other = uuid4(), uuid4()
    key = compensation_key(command, "retract", ADA, tries=0)
    assert check_key(key) == key == compensation_key(command, "retract", ADA, tries=0)
    others = {
        compensation_key(other, "retract", ADA, tries=0),
        compensation_key(command, "cancel", ADA, tries=0),
        compensation_key(command, "retract", WITH_RECORD, tries=0),
        compensation_key(command, "retract", ADA, tries=1),
    }
    assert len(others | {key}) == 5


def test_its_times_are_those_of_what_the_reviewer_was_shown() -> None:
    at = datetime(2026, 3, 1, 8, tzinfo=UTC)
    target = taken_back("MedicationChange", "retract", at=at)["target"]
    assert target["seenAt"] == at.isoformat()
    assert target["acknowledged"]["when"] == NOW.isoformat()


CHANGED = medication_change_json("changeDose", dosage=[dosage_json(text="Take 2 tablets")])
BEFORE = {**CHANGED, "dosage": [dosage_json(text="Take 1 tablet")], "dateAsserted": "2026-02-01"}


def made_up_for(operation: str, before: dict[str, Any] | None, action: dict[str, Any] = CHANGED) -> dict[str, Any]:
    target = {"reference": "MedicationStatement/m3", "versionId": "1", "seen": {"status": "active"}}
    envelope = envelope_from(envelope_json(action, target=target))
    told = wrote(action, reference="MedicationStatement/m3", before=before)
    body = compensation(envelope, told, operation, reviewer=ADA, reason="a slip of the pen", now=NOW)
    assert is_takeable(body, envelope.action, told, NOW) is bool(before or operation != action["operation"])
    return body


def test_a_change_is_made_up_for_by_what_the_entry_said_before_of_all_that_counts() -> None:
    body = made_up_for("changeDose", BEFORE)
    assert body["action"]["dosage"] == BEFORE["dosage"]
    assert body["target"] | {"seenAt": ""} == {
        "reference": "MedicationStatement/m3",
        "versionId": "1",
        "seenAt": "",
        "seen": {name: value for name, value in CHANGED.items() if name not in {"type", "operation"}},
        "acknowledged": body["target"]["acknowledged"],
    }
    assert body["action"]["strength"] == CHANGED["strength"], "a counted dose is read by it"
    assert "dateAsserted" not in body["action"], "who said so and when stays with the change"


def test_where_it_is_not_known_what_was_there_nothing_is_made_up() -> None:
    body = made_up_for("changeDose", None)
    assert "dosage" not in body["action"]


def test_what_is_undone_by_its_opposite_needs_nothing_of_what_was_there() -> None:
    body = made_up_for("resume", None, medication_change_json("hold"))
    assert body["action"]["operation"] == "resume"
