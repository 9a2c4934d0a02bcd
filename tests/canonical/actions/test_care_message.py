from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.actions.care_message import CareMessage
from canonical.idempotency import derived_key
from tests.canonical.checked import confirmations, findings, parsed, refusals
from tests.factories import ABSENT, care_message_json, envelope_json

SPEC = action_specs()["CareMessage"]
FULL = care_message_json(
    category=[{"text": "notification"}],
    priority="urgent",
    about=[{"reference": "MedicationStatement/m3"}],
    inResponseTo=[{"reference": "Communication/c1"}],
    reasonCode=[{"text": "adherence"}],
    sent="2026-03-10T10:30:00-04:00",
    note=[{"text": "by telephone"}],
)


@pytest.mark.parametrize("action", [care_message_json(), FULL, care_message_json("retract")])
def test_a_message_and_its_retraction_are_accepted_silently(action: dict[str, Any]) -> None:
    assert (refusals(action), confirmations(action), findings(action)) == ({}, {}, [])


@pytest.mark.parametrize("name", ["payload", "recipient"])
def test_a_message_without_text_or_recipient_is_refused(name: str) -> None:
    assert refusals(care_message_json(**{name: ABSENT})) == {f"/action/{name}": "required"}


def test_a_retraction_says_why_and_changes_nothing_of_the_message() -> None:
    assert refusals(care_message_json("retract", statusReason=ABSENT)) == {"/action/statusReason": "required"}
    for name in sorted(set(FULL) - {"type", "operation", "topic", "note"}):
        wrong = refusals(care_message_json("retract", **{name: FULL[name]}))
        assert wrong == {f"/action/{name}": "not-for-this-operation"}
    assert refusals(care_message_json(statusReason={"text": "x"})) == {"/action/statusReason": "not-for-this-operation"}


@pytest.mark.parametrize("kind", ["Practitioner", "PractitionerRole", "Organization", "CareTeam", "Group"])
def test_those_who_care_for_the_patient_may_be_told(kind: str) -> None:
    assert refusals(care_message_json(recipient=[{"reference": f"{kind}/x"}])) == {}
    known = {"identifier": {"system": "urn:example:staff", "value": "d-2"}, "type": kind}
    assert refusals(care_message_json(recipient=[known])) == {}


@pytest.mark.parametrize("kind", ["Patient", "RelatedPerson", "Device"])
def test_the_patient_is_not_written_to_through_the_chart(kind: str) -> None:
    pointer = "/action/recipient/1"
    told = [{"reference": "Practitioner/d1"}, {"reference": f"{kind}/x"}]
    assert refusals(care_message_json(recipient=told)) == {pointer: "reference-type"}
    by_number = {"identifier": {"value": "1"}, "type": kind}
    assert refusals(care_message_json(recipient=[told[0], by_number])) == {pointer: "reference-type"}


def test_a_display_alone_reaches_nobody() -> None:
    for nobody in ({"display": "Dr Stone"}, {"identifier": {"system": "urn:example:staff"}}):
        assert refusals(care_message_json(recipient=[nobody])) == {"/action/recipient/0": "names-nobody"}


def test_an_answer_is_to_a_message() -> None:
    answered = care_message_json(inResponseTo=[{"reference": "Observation/o1"}])
    assert refusals(answered) == {"/action/inResponseTo/0": "reference-type"}


def test_a_message_is_of_now_or_earlier_and_of_this_life() -> None:
    assert refusals(care_message_json(sent="2026-03-13")) == {"/action/sent": "future-time"}
    assert refusals(care_message_json(sent="1950")) == {"/action/sent": "before-birth"}


def test_nothing_of_a_message_can_be_cleared_or_left_empty() -> None:
    assert refusals(care_message_json(priority=None)) == {"/action/priority": "not-clearable"}
    assert refusals(care_message_json(about=[])) == {"/action/about": "empty-list"}
    assert refusals(care_message_json(payload=[{"contentString": " "}])) != {}


def test_long_text_is_kept_to_its_last_character_in_parts() -> None:
    parts = [{"contentString": "ä" * 20_000}, {"contentString": "Ende\r\n"}]
    action = parsed(care_message_json(payload=parts)).action
    assert action.as_json()["payload"] == parts
    assert refusals(care_message_json(payload=[{"contentString": "a" * 20_001}])) != {}


def test_only_a_message_is_taken_back_as_a_message() -> None:
    target = {"reference": "Task/t1", "versionId": "1"}
    assert refusals(care_message_json("retract"), target=target) == {"/target/reference": "target-type"}
    assert [name for name, rule in SPEC.operations.items() if rule.takes_back] == ["retract"]


def test_messages_on_two_topics_from_one_event_are_two_commands() -> None:
    source = {"eventId": "event-1"}
    topics = [{"text": "Missed doses"}, {"text": "Dizziness"}, {"coding": [{"system": "urn:x", "code": "t1"}]}]
    keys = {derived_key(parsed(care_message_json(topic=topic), source=source), "visits") for topic in topics}
    assert len(keys) == len(topics)
    again = {derived_key(parsed(care_message_json(sent=sent), source=source), "visits") for sent in ("2026", "2025")}
    assert len(again) == 1


def test_its_clinical_time_is_when_it_was_sent() -> None:
    envelope = parsed(FULL)
    assert isinstance(envelope.action, CareMessage)
    assert str(spec_for(envelope.action).clinical_time(envelope.action)) == "2026-03-10T10:30:00-04:00"


def test_the_receipt_says_that_no_list_was_changed() -> None:
    assert "no list of the chart was changed" in SPEC.receipt_note
    assert "target" not in envelope_json(care_message_json())
