from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.questionnaire_lists import questionnaire_lists
from canonical.self_harm import answered_positively
from tests.factories import LOINC, Json, decimal
from tests.record_factories import NOT_AT_ALL, SEVERAL_DAYS, answered, self_harm_json

ASKED: list[Json] = [
    {"linkId": "44260-8"},
    {"linkId": "/44249-1/44260-8"},
    {"linkId": "9", "definition": "http://loinc.org/q#44260-8"},
    {"linkId": "9", "text": "Thoughts of hurting yourself"},
    {"linkId": "9", "text": "Thoughts that you would be BETTER OFF DEAD"},
    {"linkId": "c1", "text": "Have you had suicidal thoughts?"},
]
NOTHING: list[Json] = [
    {"valueCoding": NOT_AT_ALL},
    {"valueCoding": {"system": LOINC, "code": "LA6568-5"}},
    {"valueCoding": {"system": "urn:own", "code": "a", "display": "Not at all (0)"}},
    {"valueCoding": {"display": "0. Not at all"}},
    {"valueString": "not at all"},
    {"valueString": "0"},
    {"valueInteger": 0},
    {"valueDecimal": decimal("0.0")},
    {"valueQuantity": {"value": 0}},
    {"valueBoolean": False},
]
SOMETHING: list[Json] = [
    {"valueCoding": SEVERAL_DAYS},
    {"valueCoding": {"system": LOINC, "code": "LA6571-9"}},
    {"valueCoding": {"system": LOINC, "code": "LA6571-9", "display": "Not at all"}},
    {"valueCoding": {"system": LOINC, "code": "LA6568-5", "display": "Nearly every day"}},
    {"valueCoding": {"system": "urn:own", "code": "0"}},
    {"valueCoding": {"system": "urn:own", "code": "LA6568-5"}},
    {"valueString": "sometimes"},
    {"valueInteger": 1},
    {"valueDecimal": decimal("0.5")},
    {"valueQuantity": {"unit": "x"}},
    {"valueBoolean": True},
    {"valueDate": "2026"},
    {"valueReference": {"reference": "Observation/o1"}},
    {},
]


@pytest.mark.parametrize("question", ASKED, ids=str)
def test_the_question_is_known_by_code_or_by_words(question: Json) -> None:
    assert answered_positively([{**question, "answer": [SOMETHING[0]]}]) == "/action/item/0"
    assert answered_positively([{**question, "answer": [NOTHING[0]]}]) is None


@pytest.mark.parametrize("answer", NOTHING, ids=str)
def test_no_is_no_in_every_form(answer: Json) -> None:
    assert answered_positively([self_harm_json(answer=[answer])]) is None


@pytest.mark.parametrize("answer", SOMETHING, ids=str)
def test_whatever_is_not_known_to_be_no_is_seen(answer: Json) -> None:
    assert answered_positively([self_harm_json(answer=[answer])]) == "/action/item/0"


def test_one_of_several_answers_is_enough() -> None:
    assert answered_positively([self_harm_json(answer=[NOTHING[0], SOMETHING[0]])]) == "/action/item/0"


def test_the_question_is_found_wherever_it_stands() -> None:
    asked = self_harm_json(SEVERAL_DAYS)
    under_answer = answered("1", "Low?", {"valueBoolean": True, "item": [asked]})
    assert answered_positively([{"linkId": "g", "item": [under_answer]}]) == "/action/item/0/item/0/answer/0/item/0"


def test_an_unanswered_question_and_another_question_say_nothing() -> None:
    assert answered_positively([self_harm_json(answer=[])]) is None
    assert answered_positively([answered("144260-8", "Sleep?", SOMETHING[0])]) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["linkId", "text", "answer", "item", "valueCoding", "x"]), inner)
    ),
)


@given(JSON)
def test_whatever_an_author_says_to_have_seen_is_read_without_failing(seen: Any) -> None:
    assert isinstance(answered_positively(seen), str | None)


def test_the_lists_have_an_owner() -> None:
    lists = questionnaire_lists()
    assert (lists.owner, lists.reviewed.year) == ("clinical safety officer", 2026)
    assert all(limits.low < limits.high for limits in lists.scores.values())
