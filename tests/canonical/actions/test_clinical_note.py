from __future__ import annotations

import base64
from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.idempotency import derived_key
from canonical.plain_words import plain_words
from tests.canonical.checked import confirmations, findings, marks, parsed, refusals
from tests.canonical.readings import reading
from tests.factories import (
    ABSENT,
    LOINC,
    Json,
    clinical_note_json,
    concept,
    medication_change_json,
    quantity,
    vital_reading_json,
)

SPEC = action_specs()["ClinicalNote"]
WRITES = ["create", "addendum", "replace"]
ATTACHMENT = {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7 synthetic").decode()}
SIGNER = {"reference": "Practitioner/d1"}
READINGS = [vital_reading_json(), vital_reading_json("heart-rate")]
FULL: Json = {
    "category": [{"text": "Clinical Note"}],
    "title": "Home visit",
    "period": {"start": "2026-03-10T09:00:00-04:00", "end": "2026-03-10T10:00:00-04:00"},
    "author": [{"reference": "Practitioner/n1"}, {"identifier": {"system": "urn:example:staff", "value": "n-2"}}],
    "release": "withheld",
    "releaseReason": "she asked to be told in person",
    "relatesTo": [{"code": "transforms", "target": {"reference": "DocumentReference/d1"}}],
}


@pytest.mark.parametrize("operation", [*WRITES, "retract"])
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = clinical_note_json(operation)
    assert (refusals(action), confirmations(action), findings(action)) == ({}, {}, [])


@pytest.mark.parametrize("operation", WRITES)
def test_a_note_may_say_all_that_a_note_has(operation: str) -> None:
    readings = {} if operation == "replace" else {"observations": READINGS}
    assert refusals(clinical_note_json(operation, **FULL, **readings)) == {}


@pytest.mark.parametrize("name", ["docType", "date", "docStatus"])
@pytest.mark.parametrize("operation", WRITES)
def test_kind_time_and_state_are_always_stated(operation: str, name: str) -> None:
    assert refusals(clinical_note_json(operation, **{name: ABSENT})) == {f"/action/{name}": "required"}


@pytest.mark.parametrize("operation", WRITES)
def test_a_note_has_text_or_a_document_and_never_both(operation: str) -> None:
    assert refusals(clinical_note_json(operation, content=ABSENT)) == {"/action/content": "note-content"}
    assert refusals(clinical_note_json(operation, attachment=ATTACHMENT)) == {"/action/content": "note-content"}
    assert refusals(clinical_note_json(operation, content=ABSENT, attachment=ATTACHMENT)) == {}


def test_text_is_kept_to_the_last_character() -> None:
    text = "  Gesehen.\r\n\tKeine Beschwerden.\n\n" + "ä" * 60_000
    assert parsed(clinical_note_json(content=text)).action.as_json()["content"] == text
    assert "/action/content" in refusals(clinical_note_json(content=" \n "))


def test_a_signed_note_says_by_whom_and_a_draft_by_nobody() -> None:
    pointer = "/action/authenticator"
    assert refusals(clinical_note_json(authenticator=ABSENT)) == {pointer: "signature"}
    assert refusals(clinical_note_json(docStatus="preliminary")) == {pointer: "signature"}
    assert refusals(clinical_note_json(docStatus="preliminary", authenticator=ABSENT)) == {}
    assert refusals(clinical_note_json(authenticator={"reference": "CareTeam/t1"})) == {pointer: "reference-type"}
    assert refusals(clinical_note_json(docStatus="amended")) == {"/action/docStatus": "literal-error"}


def test_what_is_withheld_has_a_reason_and_nothing_else_has_one() -> None:
    pointer = "/action/releaseReason"
    assert refusals(clinical_note_json(release="withheld")) == {pointer: "release-reason"}
    assert refusals(clinical_note_json(releaseReason="x")) == {pointer: "release-reason"}
    assert refusals(clinical_note_json(release="immediate", releaseReason="x")) == {pointer: "release-reason"}
    assert refusals(clinical_note_json(release="immediate")) == {}


@pytest.mark.parametrize(
    "code", [{"text": "note"}, concept("urn:x", "11506-3", "note"), concept(LOINC, "11506", "note")]
)
def test_the_kind_of_note_is_named_by_a_loinc_code(code: Json) -> None:
    assert refusals(clinical_note_json(docType=code)) == {"/action/docType": "loinc-required"}


def test_a_note_tells_of_what_has_been() -> None:
    assert refusals(clinical_note_json(date="2026-03-10T16:00:00Z")) == {"/action/date": "future-time"}
    later = {"start": "2026-03-10T09:00:00Z", "end": "2026-03-13T09:00:00Z"}
    assert refusals(clinical_note_json(period=later)) == {"/action/period/end": "future-time"}
    assert refusals(clinical_note_json(period={"start": "1950"})) == {"/action/date": "before-birth"}
    assert refusals(clinical_note_json(date="2026-03-10")) == {"/action/date": "clinical-instant"}


def test_its_clinical_time_is_of_the_visit_and_else_of_writing() -> None:
    for over, time in ((FULL, "2026-03-10T09:00:00-04:00"), ({"period": {"end": "2026-03"}}, "2026-03"), ({}, None)):
        action = parsed(clinical_note_json(**over)).action
        assert str(SPEC.clinical_time(action)) == (time or clinical_note_json()["date"])


def test_a_retraction_says_why_and_changes_nothing_of_the_note() -> None:
    assert refusals(clinical_note_json("retract", retractReason=ABSENT)) == {"/action/retractReason": "required"}
    for name, value in {**FULL, "content": "x", "docStatus": "final"}.items():
        assert f"/action/{name}" in refusals(clinical_note_json("retract", **{name: value}))
    assert refusals(clinical_note_json(retractReason="x")) == {"/action/retractReason": "not-for-this-operation"}


@pytest.mark.parametrize("name", sorted(FULL))
def test_nothing_of_a_note_can_be_cleared(name: str) -> None:
    assert refusals(clinical_note_json("replace", **{name: None})) == {f"/action/{name}": "not-clearable"}


def test_a_relation_that_has_an_operation_of_its_own_is_not_stated_beside_it() -> None:
    for code in ("appends", "replaces"):
        related = [{"code": code, "target": {"reference": "DocumentReference/d1"}}]
        assert refusals(clinical_note_json(relatesTo=related)) == {"/action/relatesTo/0/code": "literal-error"}


def test_only_a_new_note_takes_no_target_and_what_refers_to_one_is_an_entry_of_its_own() -> None:
    rules = SPEC.operations
    assert [name for name, rule in rules.items() if rule.creates] == ["create"]
    assert [name for name, rule in rules.items() if rule.own_entry] == ["addendum", "replace"]
    assert [name for name, rule in rules.items() if rule.needs_seen] == ["replace", "retract"]
    target = {"reference": "Observation/o1", "versionId": "1", "seen": {"title": "x"}}
    assert refusals(clinical_note_json("addendum"), target=target) == {"/target/reference": "target-type"}


def test_readings_come_with_new_content_only_and_are_new_themselves() -> None:
    assert refusals(clinical_note_json("replace", observations=READINGS)) == {
        "/action/observations": "not-for-this-operation"
    }
    for operation in ("correct", "retract"):
        old = [vital_reading_json(), vital_reading_json(operation=operation)]
        pointer = "/action/observations/1/operation"
        assert refusals(clinical_note_json(observations=old)) == {pointer: "attached-operation"}
    other = [medication_change_json()]
    assert refusals(clinical_note_json(observations=other)) != {}
    assert refusals(clinical_note_json(observations=[READINGS[0]] * 21)) == {"/action/observations": "too-long"}


def test_a_reading_in_a_note_is_judged_as_one_alone_and_named_at_its_place() -> None:
    impossible = [READINGS[0], reading("heart-rate", "4000")]
    alone = refusals(impossible[1])
    assert alone
    told = refusals(clinical_note_json(observations=impossible))
    assert told == {pointer.replace("/action", "/action/observations/1"): code for pointer, code in alone.items()}


def test_an_implausible_reading_in_a_note_is_confirmed_by_its_author() -> None:
    slow = reading("heart-rate", "20")
    alone = confirmations(slow)
    assert alone
    told = confirmations(clinical_note_json(observations=[slow]))
    assert told == {pointer.replace("/action", "/action/observations/0"): code for pointer, code in alone.items()}


def test_marks_and_findings_of_readings_are_the_note_s() -> None:
    device = {"role": "device"}
    slow = reading("heart-rate", "20")
    noted = clinical_note_json(observations=[slow, slow])
    assert marks(noted, author=device) == marks(slow, author=device) != ()
    (first, second) = findings(noted, author=device)
    assert first.kind == findings(slow, author=device)[0].kind
    assert [item.pointer.split("/")[3] for item in (first, second)] == ["0", "1"]
    assert findings(clinical_note_json(observations=READINGS)) == []


def test_each_part_keeps_the_frame_of_its_note_and_has_an_event_of_its_own() -> None:
    frame: dict[str, Any] = {
        "encounter": {"reference": "Encounter/e1"},
        "securityLabel": [{"system": "urn:x", "code": "R"}],
        "source": {"eventId": "event-1", "channel": "telehealth"},
        "fallback": ["message"],
    }
    envelope = parsed(clinical_note_json("addendum", observations=READINGS), **frame)
    parts = spec_for(envelope.action).parts(envelope)
    assert [part.action.as_json() for part in parts] == [parsed(item).action.as_json() for item in READINGS]
    for part in parts:
        for name in ("patient", "encounter", "author", "consent", "security_label", "purpose_of_use", "connection"):
            assert getattr(part, name) == getattr(envelope, name)
        assert (part.target, part.fallback) == (None, None)
    twins = parsed(clinical_note_json(observations=[READINGS[0]] * 2), **frame)
    keys = {derived_key(one, "visits") for one in (twins, *spec_for(twins.action).parts(twins))}
    assert len(keys) == 3


def test_an_event_with_a_long_name_stays_one_that_can_be_told_apart() -> None:
    envelope = parsed(clinical_note_json(observations=READINGS), source={"eventId": "e" * 128})
    events = {part.source.event_id for part in SPEC.parts(envelope) if part.source and part.source.event_id}
    assert len(events) == 2
    assert max(map(len, events)) <= 128


def test_a_note_without_readings_or_event_has_nothing_to_derive() -> None:
    assert SPEC.parts(parsed(clinical_note_json())) == ()
    bare = parsed(clinical_note_json(observations=READINGS), source=ABSENT)
    assert [part.source for part in SPEC.parts(bare)] == [None, None]


def test_two_kinds_of_note_from_one_event_are_two_commands() -> None:
    source = {"eventId": "event-1"}
    kinds = [clinical_note_json(), clinical_note_json(docType=concept(LOINC, "18842-5", "Discharge summary"))]
    assert len({derived_key(parsed(kind, source=source), "visits") for kind in kinds}) == 2


def test_in_words_a_note_tells_its_text_and_its_readings_and_says_when_a_file_cannot_be_told() -> None:
    lines = plain_words(parsed(clinical_note_json(observations=[READINGS[0]])).action)
    said = {line.label: line.text for line in lines}
    assert said["Content"] == "Seen at home.\nNo complaints."
    assert (said["Observations"], said["Observations, value"]) == ("vital reading: record", "72.50 kg")
    assert all(line.is_whole for line in lines)
    with_file = plain_words(parsed(clinical_note_json(content=ABSENT, attachment=ATTACHMENT)).action)
    assert [line.label for line in with_file if not line.is_whole] == ["Attachment"]


def test_a_reading_with_decimals_keeps_them_inside_a_note() -> None:
    exact = vital_reading_json(valueQuantity=quantity("72.50", "kg", "kg"))
    (part,) = SPEC.parts(parsed(clinical_note_json(observations=[exact])))
    assert str(part.action.as_json()["valueQuantity"]["value"]) == "72.50"
