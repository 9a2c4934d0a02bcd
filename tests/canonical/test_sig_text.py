from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.sig_text import amounts, number, rates, unit

HALF, WEEK = Fraction(1, 2), Fraction(1, 7)


@pytest.mark.parametrize(("text", "value"), [
    ("5", 5), ("0.5", HALF), (".5", HALF), ("1,000", 1000), ("1,250.5", Fraction("1250.5")), ("1/2", HALF), ("1 1/2", 3 * HALF),
    ("½", HALF), ("1½", 3 * HALF), ("two", 2), ("Half", HALF), ("twelve", 12),
])  # fmt: skip
def test_a_number_is_read_in_digits_fractions_and_words(text: str, value: Fraction) -> None:
    assert number(text) == value


AMOUNTS: list[tuple[str, list[tuple[str, Fraction | int]]]] = [
    ("Take 1 tablet (10 mg) by mouth twice daily", [("tablet", 1), ("mass", 10)]),
    ("Take one (1) tablet by mouth", [("tablet", 1)]),
    ("1-2 puffs q4-6h prn", [("puff", 1), ("puff", 2)]),
    ("half a tablet once a day", [("tablet", HALF)]),
    ("1 1/2 tabs BID", [("tablet", 3 * HALF)]),
    ("1/2 of a pill", [("tablet", HALF)]),
    ("1,000 mg every 8 hours", [("mass", 1000)]),
    ("25 mcg every morning", [("mass", Fraction(25, 1000))]),
    ("0.25 g", [("mass", 250)]),
    ("10 units at bedtime", [("units", 10)]),
    ("Take 5 mL (10 mg/5 mL) three times a day", [("volume", 5)]),
    ("20mg daily", [("mass", 20)]),
    ("8 mg/kg once", []),
    ("apply 2 patches", [("patch", 2)]),
    ("take two capsules", [("capsule", 2)]),
    ("as directed", []),
    ("for 7 days", []),
    ("take with 8 glasses", []),
    ("version 2.10 mg", [("mass", Fraction("2.10"))]),
]


@pytest.mark.parametrize(("text", "found"), AMOUNTS, ids=[row[0] for row in AMOUNTS])
def test_an_amount_is_a_number_beside_a_unit_that_is_taken(text: str, found: list[tuple[str, Fraction]]) -> None:
    assert amounts(text) == found


RATES: list[tuple[str, list[tuple[Fraction | int, Fraction | int]]]] = [
    ("twice daily", [(2, 2)]),
    ("two times a day", [(2, 2)]),
    ("3x per week", [(3 * WEEK, 3 * WEEK)]),
    ("once a month", [(Fraction(1, 30), Fraction(1, 30))]),
    ("every 4 to 6 hours", [(4, 6)]),
    ("q4-6h prn", [(4, 6)]),
    ("q 8 hrs", [(3, 3)]),
    ("every 12 hours", [(2, 2)]),
    ("every 3 days", [(Fraction(1, 3), Fraction(1, 3))]),
    ("every 2 weeks", [(WEEK / 2, WEEK / 2)]),
    ("BID", [(2, 2)]),
    ("t.i.d.", [(3, 3)]),
    ("q.i.d. with meals", [(4, 4)]),
    ("qod", [(HALF, HALF)]),
    ("every other day", [(HALF, HALF)]),
    ("once daily at bedtime", [(1, 1), (1, 1)]),
    ("nightly", [(1, 1)]),
    ("every Monday", [(WEEK, WEEK)]),
    ("one to two times daily", [(1, 2)]),
    ("1 tablet daily, max 4 times per day", [(4, 4), (1, 1)]),
    ("as directed", []),
    ("every 0 hours", []),
    ("forbid bids", []),
]


@pytest.mark.parametrize(("text", "found"), RATES, ids=[row[0] for row in RATES])
def test_how_often_is_read_from_common_words(text: str, found: list[tuple[Fraction, Fraction]]) -> None:
    assert rates(text) == found


def test_a_unit_for_people_is_known_by_what_it_measures() -> None:
    assert unit("Tablets") == unit("tab") == ("tablet", Fraction(1))
    assert unit("µg") == unit("mcg") == ("mass", Fraction(1, 1000))
    assert unit("furlong") is None
    assert unit(None) is None


PIECES = st.sampled_from([
    *("1", "0", "1/0", "1/2", "½", "9" * 30, "1,000", ".", "-", "to", "one", "twİce", "twice", "\u017f", "q", "every", "x"),
    *("times", "mg", "µg", "tablets", "(s)", "daily", "a", "day", "weeks", "h", " ", "\n", "(", "/", "٣", "²", "\u212a", "bid"),
])  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join) | st.lists(PIECES, max_size=12).map(" ".join) | st.text())
def test_whatever_is_written_is_read_or_passed_over(text: str) -> None:
    assert all(value >= 0 for _, value in amounts(text))
    assert all(0 <= low <= high for low, high in rates(text))


@pytest.mark.parametrize(
    "piece", [" ", "1", "1 ", "1/", "1,1", "1-", "one ", "every ", "(", ".1", "q1", "1 1/1 ", "a ", "\t-"]
)
def test_a_long_text_costs_no_more_than_its_length(piece: str) -> None:
    text = "take 1" + piece * (20_000 // len(piece)) + "tablet every"
    start = time.process_time()
    amounts(text)
    rates(text)
    assert time.process_time() - start < 1
