from decimal import Decimal
from typing import Any

import pytest

from adapters.r4.comparable import comparable
from canonical import exact_json

BASE = "https://ehr.example/fhir"


def same(one: Any, other: Any) -> bool:
    return bool(comparable(one, BASE) == comparable(other, BASE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-11-22T08:15:00-05:00", "2026-11-22T13:15:00Z"),
        ("2026-11-22T08:15:00.500-05:00", "2026-11-22T13:15:00.5Z"),
        ("2026-11-22T08:15:00.000Z", "2026-11-22T08:15:00Z"),
        ("2026-11-22T00:30:00+14:00", "2026-11-21T00:30:00-10:00"),
        ({"reference": "Patient/p1"}, {"reference": f"{BASE}/Patient/p1", "display": "Maria Lopez"}),
        ({"reference": "Patient/p1/_history/4"}, {"reference": "Patient/p1", "type": "Patient"}),
        ({"coding": [{"system": "a", "code": "1"}, {"system": "b", "code": "2"}]},
         {"coding": [{"system": "b", "code": "2", "display": "x"}, {"system": "a", "code": "1"}]}),
        ({"id": "e1", "text": "x"}, {"text": "x"}),
        ([], None),
        ({}, None),
        ({"a": None}, None),
    ],
)  # fmt: skip
def test_same_statement_in_another_spelling_is_equal(one: Any, other: Any) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-11-22T08:15:00-05:00", "2026-11-22T08:15:00-04:00"),
        ("2026-11-22T08:15:00.500Z", "2026-11-22T08:15:00.501Z"),
        ("2026-11-22", "2026-11-22T00:00:00Z"),
        ("2026-11", "2026-11-01"),
        ({"reference": "Patient/p1"}, {"reference": "https://other.example/fhir/Patient/p1"}),
        ({"reference": "Patient/p1"}, {"reference": "Patient/p2"}),
        ({"coding": [{"system": "a", "code": "1"}]}, {"coding": [{"system": "b", "code": "1"}]}),
        ({"coding": [{"display": "x"}]}, {"coding": [{"display": "y"}]}),
        ({"text": "x"}, {"text": "X"}),
        (["a", "b"], ["b", "a"]),
        ({"value": 1}, {"value": 2}),
        ("10 mg", "1.0 mg"),
    ],
)
def test_another_statement_is_not_equal(one: Any, other: Any) -> None:
    assert not same(one, other)


def test_decimals_compare_by_number_and_keep_their_digits() -> None:
    written = exact_json.parse("[72.50, 1e-3, 72.5, 0.001]")
    assert comparable(written[0], BASE) == comparable(written[2], BASE) == Decimal("72.5")
    assert comparable(written[1], BASE) == comparable(written[3], BASE)
    assert str(comparable(written[0], BASE)) == "72.50"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "2016-12-31T23:59:60Z"])
def test_times_beyond_the_calendar_compare_as_they_are_written(text: str) -> None:
    assert comparable(text, BASE) == text
