import copy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.written_json import MalformedJson, WrittenDecimal, dumps, loads


@pytest.mark.parametrize(
    "number",
    ["72.50", "1e-3", "1E+5", "0.10e+02", "-0.0", "-0", "0", "7", "100000000000000000000.000000000000000001"],
)
def test_a_number_comes_back_as_it_was_written(number: str) -> None:
    assert dumps(loads(f'{{"value":{number}}}')) == f'{{"value":{number}}}'


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_every_spelling_json_allows_is_kept(number: str) -> None:
    assert dumps(loads(number)) == number


def test_a_written_number_counts_as_a_number() -> None:
    assert loads("72.50") == Decimal("72.5")


def test_a_written_number_survives_a_copy() -> None:
    assert str(copy.deepcopy(WrittenDecimal("1e-3"))) == "1e-3"


def test_text_beyond_ascii_is_kept() -> None:
    assert dumps(loads('{"unit":"µg"}')) == '{"unit":"µg"}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":', "line 1, column"),
        (b"\xff", "UTF-8"),
        (b'{"a":1,"a":2}', "same member twice"),
        (b'{"a":NaN}', "NaN"),
        (b"[" * 100_000, "deeply"),
        (b"9" * 5000, "too long"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(MalformedJson, match=reason):
        loads(text)


def test_the_reason_never_quotes_what_was_sent() -> None:
    with pytest.raises(MalformedJson) as caught:
        loads(b'{"name": Dummett}')
    assert "Dummett" not in str(caught.value)
