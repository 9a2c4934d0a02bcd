from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.marks import CHANGED_BY, has_mark
from adapters.r4.observation import PATIENT_SUPPLIED
from adapters.r4.questionnaire_response import CORRECTED, RETRACTABLE, SCORE
from adapters.r4.validity import STATUS, check_valid, problems
from canonical import exact_json
from canonical.errors import InvalidPayloadError, NeedsPersonError, UnsupportedActionError
from canonical.ports import Resource
from tests.adapters.commands import COMMAND_ID, PATIENT, number
from tests.adapters.r4.lists import BASE, SITE, changed, planned
from tests.adapters.r4.lists import built as built_for
from tests.factories import LOINC
from tests.record_factories import PHQ_9, SEVERAL_DAYS, answered, patient_reported_outcome_json, phq_items, score_json

FULL: dict[str, Any] = patient_reported_outcome_json(
    partial=True,
    authored="2026-11-22T08:15:00-05:00",
    item=[
        *phq_items(),
        answered(
            "w",
            "Your weight?",
            {"valueDecimal": number("72.50"), "item": [answered("k", "Kilograms?", {"valueBoolean": True})]},
        ),
    ],
    score=[score_json("4"), score_json("12.50", "70274-6")],
    basedOn=[{"reference": "CarePlan/p1"}],
)
RECORD: dict[str, Any] = patient_reported_outcome_json(authored="2026-11-22")
RETRACT: dict[str, Any] = patient_reported_outcome_json("retract", questionnaire=PHQ_9)
MARK = {"system": "urn:fhir-writeback:command", "value": str(COMMAND_ID)}
NURSE = {"reference": "Practitioner/n1", "role": "nurse"}


def of(operation: str, **over: Any) -> dict[str, Any]:
    return patient_reported_outcome_json(operation, **over)


def built(action: dict[str, Any], current: Resource | None = None, **more: Any) -> dict[str, Any]:
    seen = {"status": current["status"]} if current else None
    return built_for(action, current, seen=seen, **more)


def in_chart(**over: Any) -> dict[str, Any]:
    earlier = {"system": MARK["system"], "value": "earlier"}
    return {**built(RECORD), "id": "q1", "identifier": earlier, **over}


@pytest.mark.parametrize("said", [FULL, of("correct", score=[score_json()])], ids=["record", "correct"])
def test_every_field_survives_into_the_chart_and_back(said: dict[str, Any]) -> None:
    resource = built(said) if said is FULL else built(said, in_chart())
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(said) - {"type", "operation"}:
        assert projection.get(name) == comparable(said[name], BASE), name


def test_answers_are_complete_unless_they_are_partial() -> None:
    assert built(RECORD)["status"] == "completed"
    assert built(of("record", partial=False))["status"] == "completed"
    assert built(of("record", partial=True))["status"] == "in-progress"


def test_answers_are_about_the_patient_from_whoever_answered_and_brought_by_the_author() -> None:
    resource = built(RECORD, author=NURSE, encounter={"reference": "Encounter/e1"})
    assert (resource["subject"], resource["source"]) == ({"reference": PATIENT}, {"reference": PATIENT})
    assert resource["author"] == {"reference": "Practitioner/n1"}
    assert ADAPTER.project(resource, SITE)["encounter"] == {"reference": "Encounter/e1"}
    assert "author" not in built(RECORD)


def test_what_was_answered_at_home_is_tagged_so_and_nothing_else() -> None:
    for source, is_tagged in (
        ({"reference": PATIENT}, True),
        ({"reference": "RelatedPerson/r1"}, True),
        ({"type": "RelatedPerson", "identifier": {"value": "r"}}, True),
        ({"reference": "Practitioner/n1"}, False),
    ):
        tags = built(of("record", source=source)).get("meta", {}).get("tag", [])
        assert (PATIENT_SUPPLIED in tags) is is_tagged, source
    before = in_chart(meta={"tag": [dict(PATIENT_SUPPLIED), {"code": "theirs"}]})
    after = built(of("correct", source={"reference": "Practitioner/n1"}), before)
    assert after["meta"]["tag"] == [{"code": "theirs"}]


def test_a_score_stands_beside_the_answers_with_every_digit() -> None:
    (operation,) = planned(FULL)
    assert b'"value":12.50' in operation.body
    assert b'"valueDecimal":72.50' in operation.body
    scores = [item for item in exact_json.parse(operation.body)["extension"] if item["url"] == SCORE]
    assert [item["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] for item in scores] == [
        "44261-6",
        "70274-6",
    ]


def test_a_score_that_is_cleared_is_gone_and_other_extensions_stay() -> None:
    theirs = {"url": "urn:theirs", "valueBoolean": True}
    before = in_chart(extension=[theirs, *built(FULL)["extension"]])
    after = built(of("correct", score=None), before)
    assert [item["url"] for item in after["extension"]] == ["urn:theirs", CHANGED_BY]


@pytest.mark.parametrize("status", sorted(STATUS["QuestionnaireResponse"]))
def test_a_correction_and_a_retraction_start_where_they_may(status: str) -> None:
    for action, after in (
        (of("correct"), CORRECTED.get(status)),
        (RETRACT, "entered-in-error" if status in RETRACTABLE else None),
    ):
        if after is not None:
            assert built(action, in_chart(status=status))["status"] == after
            continue
        with pytest.raises(NeedsPersonError) as caught:
            built(action, in_chart(status=status))
        revives = status == "entered-in-error" and action is not RETRACT
        assert caught.value.kind == ("status_backwards" if revives else "status_ended")


def test_partial_answers_are_finished_and_complete_ones_stay_complete() -> None:
    assert built(of("correct", partial=False), in_chart(status="in-progress"))["status"] == "completed"
    assert built(of("correct", partial=True), in_chart(status="in-progress"))["status"] == "in-progress"
    assert built(of("correct", partial=False), in_chart())["status"] == "amended"
    with pytest.raises(NeedsPersonError) as caught:
        built(of("correct", partial=True), in_chart())
    assert caught.value.kind == "status_backwards"


def test_a_correction_replaces_the_answers_whole_and_touches_nothing_else() -> None:
    before = in_chart()
    after = built(of("correct", item=phq_items(SEVERAL_DAYS)), before)
    assert changed(before, after) == {"status", "item", "extension"}
    assert after["item"] == exact_json.parse(exact_json.dumps(phq_items(SEVERAL_DAYS)))


def test_a_retraction_keeps_every_answer_and_says_why() -> None:
    before = in_chart()
    after = built(RETRACT, before)
    assert changed(before, after) == {"status", "extension"}
    assert ADAPTER.project(after, SITE)["retractReason"] == RETRACT["retractReason"]


@pytest.mark.parametrize("operation", ["correct", "retract"])
def test_answers_to_another_questionnaire_are_left_alone(operation: str) -> None:
    for address, is_same in (
        (PHQ_9, True),
        (PHQ_9.partition("|")[0], True),
        (PHQ_9.replace("2.77", "2.78"), False),
        ("http://loinc.org/q/69737-5", False),
    ):
        action = of(operation, questionnaire=address)
        if is_same:
            assert built(action, in_chart())["questionnaire"] == PHQ_9
            continue
        with pytest.raises(NeedsPersonError) as caught:
            built(action, in_chart())
        assert caught.value.kind == "other_questionnaire"


def test_another_patient_s_answers_are_left_alone() -> None:
    with pytest.raises(NeedsPersonError) as caught:
        built(of("correct"), in_chart(subject={"reference": "Patient/p2"}))
    assert caught.value.kind == "wrong_patient"


def test_what_an_operation_would_drop_is_refused() -> None:
    with pytest.raises(UnsupportedActionError, match="basedOn"):
        built(of("correct", basedOn=[{"reference": "CarePlan/p1"}]), in_chart())


def test_the_one_identifier_is_that_of_the_create_and_a_change_stands_beside_it() -> None:
    made = built(RECORD)
    assert made["identifier"] == MARK, "R4 has one here, no list"
    (operation,) = planned(of("correct"), in_chart(), seen={"status": "completed"})
    after = exact_json.parse(operation.body)
    assert after["identifier"]["value"] == "earlier"
    assert has_mark(after, operation.mark)
    assert has_mark(after, "urn:fhir-writeback:command|earlier")
    again = exact_json.parse(planned(RETRACT, after, seen={"status": "amended"})[0].body)
    assert len([item for item in again["extension"] if item["url"] == CHANGED_BY]) == 1


def test_an_identifier_of_somebody_else_s_is_kept() -> None:
    theirs = {"system": "urn:theirs", "value": "7"}
    assert built(of("correct"), in_chart(identifier=theirs))["identifier"] == theirs
    bare = {name: value for name, value in in_chart().items() if name != "identifier"}
    (operation,) = planned(of("correct"), bare, seen={"status": "completed"})
    assert has_mark(exact_json.parse(operation.body), operation.mark)


def test_every_change_between_request_and_read_back_is_noticed() -> None:
    (operation,) = planned(FULL)
    stored = exact_json.parse(operation.body) | {
        "id": "q1",
        "meta": {"versionId": "1", "tag": [dict(PATIENT_SUPPLIED)]},
    }
    assert ADAPTER.differences(operation, stored, SITE) == ()
    other = answered("1", "Any?", {"valueCoding": {"system": LOINC, "code": "LA6570-1"}})
    for over, names in (
        ({"identifier": {**MARK, "value": "another"}}, ("identifier",)),
        ({"item": [other]}, ("item",)),
        ({"extension": stored["extension"][:1]}, ("extension", "score")),
        ({"status": "completed"}, ("partial", "status")),
        ({"source": {"reference": "RelatedPerson/r1"}}, ("source",)),
    ):
        assert ADAPTER.differences(operation, stored | over, SITE) == names, over


def test_an_item_with_questions_in_two_places_does_not_leave() -> None:
    before = in_chart()
    (group,) = before["item"]
    broken = {**before, "item": [{**group, "answer": [{"valueBoolean": True, "item": [group]}]}]}
    assert problems(broken) == {"QuestionnaireResponse: qrs-1"}
    with pytest.raises(InvalidPayloadError):
        check_valid(broken)
