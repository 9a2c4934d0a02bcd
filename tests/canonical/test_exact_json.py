from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import exact_json
from canonical.exact_json import InvalidJsonError

NUMBERS = ["72.50", "0.10", "1e-3", "1E5", "-0.0", "1.5e3", "0", "-7", "98.6000", "12345678901234567890123", "1e400"]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_leaves_as_it_came(text: str) -> None:
    assert exact_json.dumps(exact_json.parse(f'{{"value":{text}}}')) == f'{{"value":{text}}}'
    assert exact_json.canonical_bytes(exact_json.parse(f"[{text}]")) == f"[{text}]".encode()


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_exact_for_arithmetic(text: str) -> None:
    assert exact_json.parse(text) == Decimal(text)


def test_a_written_decimal_survives_copies_and_pickles() -> None:
    number = exact_json.parse("1e-3")
    for again in (copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert exact_json.dumps(again) == "1e-3"


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: exact_json.WrittenDecimal(f"{number:.3f}")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), inner),
    max_leaves=20,
)


@given(JSON)
def test_parse_and_dumps_are_inverse(value: Any) -> None:
    text = exact_json.dumps(value)
    assert exact_json.dumps(exact_json.parse(text)) == text


@given(JSON)
def test_the_digest_ignores_member_order_and_white_space(value: Any) -> None:
    spaced = exact_json.parse(json.dumps(json.loads(exact_json.dumps(_plain(value))), indent=3))
    assert exact_json.digest(_reversed(_plain(value))) == exact_json.digest(spaced)


def _plain(value: Any) -> Any:
    """Leave out decimals: the standard library would change them, which is why it is not used."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def test_the_digest_tells_one_half_from_one_half_to_two_places() -> None:
    assert exact_json.digest(exact_json.parse("[72.5]")) != exact_json.digest(exact_json.parse("[72.50]"))


MALFORMED = {
    "empty": "",
    "cut": '{"a":',
    "two values": "{} {}",
    "trailing comma": '{"a":1,}',
    "NaN": '{"a":NaN}',
    "Infinity": "[-Infinity]",
    "member twice": '{"a":1,"b":{"c":1,"c":2}}',
    "not UTF-8": b'{"a":"\xff"}',
    "half a surrogate pair": '{"a":"\\ud800"}',
    "control character": '{"a":"\\u0000"}',
    "control character in a name": '{"\\u0001":1}',
    "exponent beyond arithmetic": '{"a":1e99999999999999999999}',
    "integer beyond conversion": f'{{"a":{"9" * 5000}}}',
    "lists beyond recursion": "[" * 100_000,
    "deeper than any resource": "[" * 61 + "]" * 61 + "",
    "lists and objects too deep": '[{"a":' * 31 + "1" + "}]" * 31,
    "a control character that is spelled out, among much else": "[" + "[]," * 70 + '"\\u0001"]',
    "objects too deep": '{"a":' * 61 + "1" + "}" * 61,
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_acceptable_json_is_refused(raw: str | bytes) -> None:
    with pytest.raises(InvalidJsonError):
        exact_json.parse(raw)


def test_the_refusal_says_where_and_never_what() -> None:
    with pytest.raises(InvalidJsonError) as raised:
        exact_json.parse('{"family":\n  Lopez}')
    assert "line 2" in str(raised.value)
    assert "Lopez" not in str(raised.value)


def test_the_deepest_that_is_accepted() -> None:
    raw = "[" * exact_json.DEPTH_LIMIT + "]" * exact_json.DEPTH_LIMIT
    assert exact_json.dumps(exact_json.parse(raw)) == raw


def test_what_is_many_but_not_deep_is_accepted() -> None:
    raw = "[" + ",".join(["[{}]"] * exact_json.DEPTH_LIMIT) + "]"
    assert exact_json.dumps(exact_json.parse(raw)) == raw


def test_tabs_line_ends_and_every_script_are_text() -> None:
    text = '["\\tétè 김 \\r\\n ß 𝛀"]'
    assert exact_json.parse(exact_json.dumps(exact_json.parse(text))) == exact_json.parse(text)
