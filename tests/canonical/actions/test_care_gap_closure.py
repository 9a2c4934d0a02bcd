from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs, spec_for
from canonical.idempotency import derived_key
from canonical.plain_words import plain_words
from tests.canonical.checked import confirmations, findings, marks, parsed, refusals
from tests.canonical.readings import reading
from tests.compound_factories import GAP, care_gap_closure_json
from tests.factories import (
    ABSENT,
    NOW,
    Json,
    care_message_json,
    care_task_json,
    clinical_note_json,
    medication_change_json,
    quantity,
    vital_reading_json,
)
from tests.list_factories import allergy_update_json, problem_update_json

SPEC = action_specs()["CareGapClosure"]
CHART = [{"reference": "Observation/o1"}]
FULL: Json = {
    "gapIdentifier": GAP,
    "executionPeriod": {"start": "2026-03-01", "end": "2026-03-10"},
    "owner": {"reference": "Practitioner/n1"},
    "evidenceReference": CHART,
    "note": [{"text": "left arm", "time": "2026-03-10"}],
}


@pytest.mark.parametrize("operation", ["close", "retract"])
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = care_gap_closure_json(operation)
    assert (refusals(action), confirmations(action), findings(action)) == ({}, {}, [])


def test_a_closure_may_say_all_that_a_closure_has() -> None:
    assert refusals(care_gap_closure_json(**FULL)) == {}


@pytest.mark.parametrize("name", ["description", "executionPeriod"])
def test_what_was_done_and_when_is_always_stated(name: str) -> None:
    assert refusals(care_gap_closure_json(**{name: ABSENT})) == {f"/action/{name}": "required"}


def test_a_gap_is_named_by_its_measure_or_by_an_identifier() -> None:
    assert refusals(care_gap_closure_json(measure=ABSENT)) == {"/action/measure": "required"}
    assert refusals(care_gap_closure_json(measure=ABSENT, gapIdentifier=GAP)) == {}
    nameless = {"system": "urn:example:gaps"}
    assert refusals(care_gap_closure_json(gapIdentifier=nameless)) == {"/action/gapIdentifier/value": "required"}


def test_a_gap_is_closed_by_evidence_new_or_in_the_chart() -> None:
    assert refusals(care_gap_closure_json(evidence=ABSENT)) == {"/action/evidence": "required"}
    assert refusals(care_gap_closure_json(evidence=ABSENT, evidenceReference=CHART)) == {}
    assert refusals(care_gap_closure_json(evidence=[])) == {"/action/evidence": "empty-list"}


def test_it_is_closed_in_the_past_and_within_a_life() -> None:
    pointer = "/action/executionPeriod/end"
    assert refusals(care_gap_closure_json(executionPeriod={"start": "2026"})) == {pointer: "required"}
    assert refusals(care_gap_closure_json(executionPeriod={"end": "2026-03-12"})) == {pointer: "future-time"}
    assert refusals(care_gap_closure_json(executionPeriod={"end": "1950"})) == {pointer: "before-birth"}


def test_evidence_in_the_chart_is_named_literally_and_once() -> None:
    named = [*CHART, {"display": "her last reading"}, *CHART]
    assert refusals(care_gap_closure_json(evidenceReference=named)) == {
        "/action/evidenceReference/1": "names-nothing",
        "/action/evidenceReference/2": "named-twice",
    }
    assert SPEC.mentions(parsed(care_gap_closure_json(**FULL))) == ("Observation/o1",)


@pytest.mark.parametrize("recorded", [vital_reading_json(), clinical_note_json()], ids=lambda item: item["type"])
def test_whatever_records_something_new_may_be_evidence(recorded: Json) -> None:
    assert refusals(care_gap_closure_json(evidence=[recorded])) == {}


@pytest.mark.parametrize("asked", [care_message_json(), care_task_json()], ids=lambda item: item["type"])
def test_what_only_asks_or_tells_is_no_evidence(asked: Json) -> None:
    evidence = [vital_reading_json(), asked]
    assert refusals(care_gap_closure_json(evidence=evidence)) == {"/action/evidence/1/type": "no-evidence"}


@pytest.mark.parametrize(
    "changing",
    [
        vital_reading_json(operation="correct"),
        vital_reading_json(operation="retract"),
        medication_change_json("hold"),
        clinical_note_json("addendum"),
    ],
    ids=lambda item: f"{item['type']}.{item['operation']}",
)
def test_evidence_changes_nothing_that_the_chart_has(changing: Json) -> None:
    told = refusals(care_gap_closure_json(evidence=[changing]))
    assert told == {"/action/evidence/0/operation": "attached-operation"}


@pytest.mark.parametrize(
    "looking",
    [
        allergy_update_json(),
        problem_update_json(),
        medication_change_json(),
        clinical_note_json(observations=[vital_reading_json()]),
    ],
    ids=lambda item: item["type"],
)
def test_what_consists_of_parts_or_looks_at_a_list_first_goes_on_its_own(looking: Json) -> None:
    told = refusals(care_gap_closure_json(evidence=[looking]))
    assert told == {"/action/evidence/0/operation": "attached-operation"}


def test_a_medicine_started_as_evidence_is_refused_with_the_sentence_that_says_what_to_do() -> None:
    envelope = parsed(care_gap_closure_json(evidence=[medication_change_json()]))
    (error,) = SPEC.check(envelope, NOW)
    assert error.detail == "it depends on what else the chart lists: send it as a command of its own"


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (care_gap_closure_json(), "evidence-action"),
        ("x", "evidence-action"),
        ({"type": "Prescription", "operation": "create"}, "unknown-action"),
        ({"type": ["x"]}, "unknown-action"),
    ],
)
def test_what_is_no_action_of_ours_or_a_closure_itself_is_no_evidence(odd: Any, code: str) -> None:
    assert refusals(care_gap_closure_json(evidence=[odd])) == {"/action/evidence/0": code}


def test_evidence_of_the_wrong_shape_is_named_at_its_place() -> None:
    odd = vital_reading_json(bodyPosition=3, colour="red")
    told = refusals(care_gap_closure_json(evidence=[vital_reading_json(), odd]))
    assert set(told) == {"/action/evidence/1/bodyPosition", "/action/evidence/1/colour"}


def test_evidence_is_judged_as_it_would_be_alone_and_named_at_its_place() -> None:
    impossible, slow = reading("heart-rate", "4000"), reading("heart-rate", "20")
    moved = {"/action": "/action/evidence/1"}
    for judge, odd in ((refusals, impossible), (confirmations, slow)):
        alone = judge(odd)
        assert alone
        told = judge(care_gap_closure_json(evidence=[vital_reading_json(), odd]))
        assert told == {f"{moved['/action']}{pointer.removeprefix('/action')}": code for pointer, code in alone.items()}
    device = {"role": "device"}
    (finding,) = findings(care_gap_closure_json(evidence=[slow]), author=device)
    assert finding.pointer.startswith("/action/evidence/0/")
    assert marks(care_gap_closure_json(evidence=[slow, slow]), author=device) == marks(slow, author=device) != ()


def test_a_retraction_says_why_and_states_nothing_anew() -> None:
    assert refusals(care_gap_closure_json("retract", statusReason=ABSENT)) == {"/action/statusReason": "required"}
    named = care_gap_closure_json("retract", measure={"text": "x"}, gapIdentifier=GAP, note=[{"text": "x"}])
    assert refusals(named) == {}
    for name in ("description", "executionPeriod", "owner", "evidence", "evidenceReference"):
        more = {**care_gap_closure_json(**FULL)}[name]
        pointer = f"/action/{name}"
        assert refusals(care_gap_closure_json("retract", **{name: more})) == {pointer: "not-for-this-operation"}
    reason = {"text": "x"}
    assert refusals(care_gap_closure_json(statusReason=reason)) == {"/action/statusReason": "not-for-this-operation"}


def test_a_closure_is_a_task_and_taken_back_by_its_retraction_alone() -> None:
    assert [name for name, rule in SPEC.operations.items() if rule.takes_back] == ["retract"]
    target = {"reference": "Observation/o1", "versionId": "1"}
    assert refusals(care_gap_closure_json("retract"), target=target) == {"/target/reference": "target-type"}


def test_nothing_of_a_closure_is_cleared() -> None:
    assert refusals(care_gap_closure_json(owner=None)) == {"/action/owner": "not-clearable"}


def test_who_closed_it_can_be_found() -> None:
    assert refusals(care_gap_closure_json(owner={"display": "the nurse"})) == {"/action/owner": "names-nobody"}
    assert refusals(care_gap_closure_json(owner={"reference": "Device/d1"})) == {"/action/owner": "reference-type"}


def test_two_gaps_closed_at_one_event_are_two_commands() -> None:
    source = {"eventId": "event-1"}
    gaps: list[Json] = [
        {},
        {"gapIdentifier": GAP},
        {"measure": {"text": "weight"}},
        {"gapIdentifier": {**GAP, "value": "gap-18"}},
    ]
    keys = {derived_key(parsed(care_gap_closure_json(**gap), source=source), "visits") for gap in gaps}
    assert len(keys) == len(gaps)


def test_each_part_keeps_the_frame_of_the_closure() -> None:
    frame: dict[str, Any] = {
        "encounter": {"reference": "Encounter/e1"},
        "securityLabel": [{"system": "urn:x", "code": "R"}],
    }
    exact = vital_reading_json(valueQuantity=quantity("72.50", "kg", "kg"))
    envelope = parsed(care_gap_closure_json(evidence=[exact, vital_reading_json("heart-rate")]), **frame)
    parts = spec_for(envelope.action).parts(envelope)
    for part in parts:
        for name in ("patient", "encounter", "author", "consent", "security_label", "purpose_of_use", "connection"):
            assert getattr(part, name) == getattr(envelope, name)
    assert str(parts[0].action.as_json()["valueQuantity"]["value"]) == "72.50"
    assert len({derived_key(part, "visits") for part in (envelope, *parts)}) == 3


def test_in_words_a_closure_tells_its_evidence() -> None:
    said = {line.label: line.text for line in plain_words(parsed(care_gap_closure_json()).action)}
    assert said["Description"] == "Blood pressure taken at the visit"
    assert said["Evidence"] == "vital reading: record"
