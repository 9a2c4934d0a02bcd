from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.concepts import codes, same_concept, words
from tests.factories import SNOMED_CT, concept

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["coding", "text", "code", "system"]), inner)
    ),
    max_leaves=6,
)


@given(JSON, JSON)
def test_whatever_a_chart_has_there_is_compared_without_stumbling(one: Any, other: Any) -> None:
    assert same_concept(one, other) == same_concept(other, one)
    assert all(isinstance(code, str) for _, code in codes(one))
    assert all(isinstance(text, str) for text in words(one))


def test_a_code_is_one_of_its_system() -> None:
    assert same_concept(concept(SNOMED_CT, "1", "a"), concept(SNOMED_CT, "1", "b"))
    assert not same_concept(concept(SNOMED_CT, "1", "a"), concept("http://example.org", "1", "b"))


@pytest.mark.parametrize("text", ["Penicillin G", "  penicillin   g "])
def test_the_same_words_name_the_same(text: str) -> None:
    assert same_concept({"text": text}, concept(SNOMED_CT, "1", "penicillin g"))
    displayed = {"coding": [{"system": SNOMED_CT, "code": "2", "display": text}]}
    assert same_concept(displayed, {"text": "Penicillin G"})


def test_nothing_is_the_same_as_nothing_said() -> None:
    assert not same_concept({}, {})
    assert not same_concept({"text": " - "}, {"text": "!"})
    assert not same_concept(None, None)
