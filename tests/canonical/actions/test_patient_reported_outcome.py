from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs
from canonical.errors import RefusedError
from canonical.idempotency import derived_key
from canonical.judgement import check_target
from tests.canonical.checked import confirmations, findings, marks, parsed, refusals, through_the_wire
from tests.factories import ABSENT, Json, concept, decimal, quantity, target_json
from tests.record_factories import (
    NOT_AT_ALL,
    PHQ_9,
    SEVERAL_DAYS,
    answered,
    patient_reported_outcome_json,
    phq_items,
    score_json,
    self_harm_json,
)

SPEC = action_specs()["PatientReportedOutcome"]
OPERATIONS = ["record", "correct", "retract"]
SAID: Json = {
    "questionnaire": PHQ_9,
    "partial": True,
    "authored": "2026-03-10",
    "source": {"reference": "RelatedPerson/r1"},
    "item": phq_items(),
    "score": [score_json()],
    "basedOn": [{"reference": "CarePlan/c1"}],
    "retractReason": "answered for somebody else",
}
MAY: dict[str, set[str]] = {
    "record": set(SAID) - {"retractReason"},
    "correct": set(SAID) - {"retractReason", "basedOn"},
    "retract": {"questionnaire", "retractReason"},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_with_what_it_needs_is_accepted_silently(operation: str) -> None:
    action = patient_reported_outcome_json(operation)
    assert (refusals(action), confirmations(action), findings(action), marks(action)) == ({}, {}, [], ())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_takes_all_that_it_may_say_and_nothing_else(operation: str) -> None:
    said = {name: SAID[name] for name in MAY[operation]}
    assert refusals(patient_reported_outcome_json(operation, **said)) == {}
    for name in sorted(set(SAID) - MAY[operation]):
        wrong = refusals(patient_reported_outcome_json(operation, **{name: SAID[name]}))
        assert wrong == {f"/action/{name}": "not-for-this-operation"}


@pytest.mark.parametrize("name", ["questionnaire", "authored", "source", "item"])
def test_what_makes_an_answer_one_is_stated(name: str) -> None:
    assert refusals(patient_reported_outcome_json(**{name: ABSENT})) == {f"/action/{name}": "required"}


def test_answers_are_taken_back_for_a_reason() -> None:
    wrong = refusals(patient_reported_outcome_json("retract", retractReason=ABSENT))
    assert wrong == {"/action/retractReason": "required"}


def test_a_correction_changes_something_and_clears_only_the_score() -> None:
    nothing = patient_reported_outcome_json("correct", item=ABSENT, questionnaire=PHQ_9)
    assert refusals(nothing) == {"/action": "nothing-to-change"}
    assert refusals(patient_reported_outcome_json("correct", score=None)) == {}
    for name in ("item", "authored", "source", "partial"):
        wrong = refusals(patient_reported_outcome_json("correct", **{name: None}))
        assert wrong == {f"/action/{name}": "not-clearable"}
    assert refusals(patient_reported_outcome_json(score=None)) == {"/action/score": "not-clearable"}


def test_an_empty_list_says_nothing() -> None:
    assert refusals(patient_reported_outcome_json(item=[])) == {"/action/item": "empty-list"}


@pytest.mark.parametrize(
    "address", ["http://loinc.org/q/44249-1", "urn:oid:1.2.3|4", "Questionnaire/phq-9", "https://x.example/q|1.0.0"]
)
def test_a_questionnaire_is_named_by_its_address(address: str) -> None:
    assert refusals(patient_reported_outcome_json(questionnaire=address)) == {}


@pytest.mark.parametrize("address", ["phq-9", "Patient/p1", "http://x.example/q|", "http://x.example/q|1|2", "/q"])
def test_a_questionnaire_that_nobody_could_find_is_refused(address: str) -> None:
    wrong = refusals(patient_reported_outcome_json(questionnaire=address))
    assert wrong == {"/action/questionnaire": "questionnaire-address"}


VALUES: list[Json] = [
    {"valueBoolean": False},
    {"valueDecimal": decimal("72.50")},
    {"valueInteger": -3},
    {"valueDate": "2026-03"},
    {"valueDateTime": "2026-03-10T10:30:00-04:00"},
    {"valueTime": "10:30:00"},
    {"valueString": "in the evening"},
    {"valueUri": "urn:x"},
    {"valueAttachment": {"contentType": "text/plain", "data": "eA=="}},
    {"valueCoding": NOT_AT_ALL},
    {"valueQuantity": quantity("3.0", "h", "h")},
    {"valueReference": {"reference": "Observation/o1"}},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(*value))
def test_every_kind_of_answer_survives_as_written_and_each_has_one_value(value: Json) -> None:
    action = patient_reported_outcome_json(item=[answered("1", "How long?", value)])
    assert refusals(action) == {}
    assert parsed(action).action.as_json() == through_the_wire(action)
    two = patient_reported_outcome_json(item=[answered("1", "How long?", {**VALUES[0], **VALUES[6], **value})])
    assert refusals(two) == {"/action/item/0/answer/0": "answer-value"}
    none = patient_reported_outcome_json(item=[answered("1", "How long?", {"item": [self_harm_json()]})])
    assert refusals(none) == {"/action/item/0/answer/0": "answer-value"}


def test_an_answer_of_the_wrong_kind_is_refused() -> None:
    for value in ({"valueInteger": decimal("1.0")}, {"valueDate": "2026-03-10T10:30:00Z"}, {"valueInteger": 2**31}):
        assert refusals(patient_reported_outcome_json(item=[answered("1", "x", value)])) != {}


def test_questions_under_a_group_and_under_an_answer_are_kept() -> None:
    below = answered("1.1", "Which?", {"valueString": "a few"})
    question = answered("1", "Any?", {"valueBoolean": True, "item": [below]})
    action = patient_reported_outcome_json(item=[{"linkId": "g", "item": [question]}])
    assert refusals(action) == {}
    both = {**question, "item": [below]}
    assert refusals(patient_reported_outcome_json(item=[both])) == {"/action/item/0": "question-or-group"}


def test_a_question_is_told_in_the_words_in_which_it_was_shown() -> None:
    below = answered("1.1", "Which?", {"valueString": "a few"}, text=ABSENT)
    action = patient_reported_outcome_json(item=[answered("1", "Any?", {"valueBoolean": True, "item": [below]})])
    assert refusals(action) == {"/action/item/0/answer/0/item/0/text": "required"}


def test_something_was_answered() -> None:
    unanswered = [{"linkId": "1", "text": "Any?"}]
    assert refusals(patient_reported_outcome_json(item=unanswered)) == {"/action/item": "no-answer"}
    skipped = [*unanswered, self_harm_json()]
    assert refusals(patient_reported_outcome_json(item=skipped)) == {}


@pytest.mark.parametrize("who", ["Patient/p1", "RelatedPerson/r1", "Practitioner/n1", "PractitionerRole/n2"])
def test_whoever_answered_is_named(who: str) -> None:
    assert refusals(patient_reported_outcome_json(source={"reference": who})) == {}


def test_nobody_else_answers() -> None:
    for source, pointer, code in (
        ({"reference": "Patient/p2"}, "/action/source/reference", "other-patient"),
        ({"reference": "Device/d1"}, "/action/source", "reference-type"),
        ({"display": "her daughter"}, "/action/source", "names-nobody"),
    ):
        assert refusals(patient_reported_outcome_json(source=source)) == {pointer: code}


def test_answers_are_of_the_past_and_of_this_life() -> None:
    assert refusals(patient_reported_outcome_json(authored="2027")) == {"/action/authored": "future-time"}
    assert refusals(patient_reported_outcome_json(authored="1960")) == {"/action/authored": "before-birth"}
    assert str(SPEC.clinical_time(parsed(patient_reported_outcome_json(authored="2026-03")).action)) == "2026-03"


@pytest.mark.parametrize(("code", "least", "most"), [("44261-6", 0, 27), ("55758-7", 0, 6), ("70274-6", 0, 21)])
def test_a_score_is_one_that_its_instrument_can_give(code: str, least: int, most: int) -> None:
    here = "/action/score/0/valueQuantity/value"
    for value, wrong in (
        (least, {}),
        (most, {}),
        (least - 1, {here: "value-impossible"}),
        (most + 1, {here: "value-impossible"}),
    ):
        assert refusals(patient_reported_outcome_json(score=[score_json(str(value), code)])) == wrong


def test_a_score_of_another_instrument_is_kept_as_given_and_named_by_loinc() -> None:
    assert refusals(patient_reported_outcome_json(score=[score_json("-12.50", "99999-9")])) == {}
    unnamed = score_json(code=concept("urn:own", "x", "PHQ"))
    assert refusals(patient_reported_outcome_json(score=[unnamed])) == {"/action/score/0/code": "loinc-required"}
    empty = score_json(valueQuantity={"unit": "{score}"})
    assert refusals(patient_reported_outcome_json(score=[empty])) == {"/action/score/0/valueQuantity/value": "required"}


def test_no_score_is_ever_computed() -> None:
    envelope = parsed(patient_reported_outcome_json())
    assert "score" not in envelope.action.as_json()


def found(action: Json, **envelope: Any) -> list[tuple[str, str, bool, str]]:
    return [(item.kind, item.severity, item.holds, item.pointer) for item in findings(action, **envelope)]


def test_a_positive_answer_about_self_harm_is_seen_by_a_person_and_holds_nothing_up() -> None:
    action = patient_reported_outcome_json(item=phq_items(SEVERAL_DAYS))
    assert found(action) == [("urgent_answer", "high", False, "/action/item/0/item/1")]
    assert marks(action) == ("critical",)
    assert refusals(action) == {}
    corrected = patient_reported_outcome_json("correct", item=phq_items(SEVERAL_DAYS))
    assert [kind for kind, *_ in found(corrected)] == ["urgent_answer"]


@pytest.mark.parametrize("operation", ["correct", "retract"])
def test_such_an_answer_does_not_go_unseen_when_it_is_taken_away(operation: str) -> None:
    action = patient_reported_outcome_json(operation)
    target = target_json(action, seen={"item": phq_items(SEVERAL_DAYS)})
    assert found(action, target=target) == [("urgent_answer_withdrawn", "high", False, "/target/seen/item")]
    harmless = target_json(action, seen={"item": phq_items()})
    assert found(action, target=harmless) == []


def test_a_correction_that_leaves_the_answers_alone_takes_none_away() -> None:
    action = patient_reported_outcome_json("correct", item=ABSENT, authored="2026-03-10")
    assert found(action, target=target_json(action, seen={"item": phq_items(SEVERAL_DAYS)})) == []


def test_two_questionnaires_from_one_event_are_two_commands_whatever_their_version() -> None:
    source = {"eventId": "event-1"}
    keys = [
        derived_key(parsed(patient_reported_outcome_json(questionnaire=address), source=source), "visits")
        for address in (PHQ_9, PHQ_9.replace("2.77", "2.78"), "http://loinc.org/q/69737-5")
    ]
    assert keys[0] == keys[1] != keys[2]


def test_answers_are_changed_only_by_somebody_who_saw_and_acknowledged_it() -> None:
    rules = SPEC.operations
    assert {name for name, rule in rules.items() if rule.high_risk and rule.needs_seen} == {"correct", "retract"}
    assert [name for name, rule in rules.items() if rule.takes_back] == ["retract"]
    action = patient_reported_outcome_json("retract")
    with pytest.raises(RefusedError) as raised:
        check_target(parsed(action, target=target_json(action, acknowledged=ABSENT)))
    assert raised.value.code == "acknowledgement-required"
    target = target_json(action, reference="Observation/o1")
    assert refusals(action, target=target) == {"/target/reference": "target-type"}


def test_the_receipt_promises_no_assessment() -> None:
    assert "nobody has assessed" in SPEC.receipt_note
