from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import ranges
from canonical.clinical_time import ClinicalTime
from canonical.ranges import Verdict, age_at, in_unit, judge, range_table, weight_slip
from canonical.vital_signs import vital_signs

ADULT = (20_000, 20_000)
TABLE = range_table()
NAMES = [name for name, _ in TABLE.bands]


def test_the_thresholds_have_an_owner_and_a_date() -> None:
    assert TABLE.owner
    assert isinstance(TABLE.reviewed, date)


def test_every_number_of_a_vital_sign_has_thresholds_in_a_unit_that_all_its_units_compare_with() -> None:
    measured = [vital for vital in vital_signs().values() if vital.units]
    assert {vital.ranges_of for vital in measured} == set(TABLE.rows)
    for vital in measured:
        for unit in vital.units:
            assert isinstance(in_unit(Decimal(1), unit, TABLE.rows[vital.ranges_of].unit), Fraction)


@pytest.mark.parametrize("vital", sorted(TABLE.rows))
def test_in_every_band_critical_lies_inside_implausible_inside_impossible(vital: str) -> None:
    row = TABLE.rows[vital]
    assert list(row.implausible) == NAMES
    for band, (low, high) in row.implausible.items():
        assert row.impossible[0] <= low < high <= row.impossible[1]
        inner = row.critical.get(band, (low, high))
        assert low <= inner[0] < inner[1] <= high


LIMITS: list[tuple[str, str, str, str]] = [
    ("systolic", "mm[Hg]", "20 350", "60 260"),
    ("diastolic", "mm[Hg]", "0 250", "20 160"),
    ("heart-rate", "/min", "10 400", "30 220"),
    ("respiratory-rate", "/min", "0 150", "6 60"),
    ("body-temperature", "Cel", "10 48", "32 42"),
    ("oxygen-saturation", "%", "0 100", "60 100"),
    ("body-weight", "kg", "0.2 650", "30 300"),
    ("body-height", "cm", "15 280", "100 230"),
]
STEP = Decimal("0.001")


@pytest.mark.parametrize(("vital", "unit", "hard", "soft"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits_are_inclusive_and_exact(vital: str, unit: str, hard: str, soft: str) -> None:
    lowest, highest = map(Decimal, hard.split())
    low, high = map(Decimal, soft.split())
    assert judge(vital, lowest - STEP, unit, ADULT) is Verdict.IMPOSSIBLE
    assert judge(vital, highest + STEP, unit, ADULT) is Verdict.IMPOSSIBLE
    for value in (low, high):
        assert judge(vital, value, unit, ADULT) in {Verdict.USUAL, Verdict.CRITICAL}
    for value in (low - STEP, lowest) if low > lowest else ():
        assert judge(vital, value, unit, ADULT) is Verdict.IMPLAUSIBLE
    for value in (high + STEP, highest) if high < highest else ():
        assert judge(vital, value, unit, ADULT) is Verdict.IMPLAUSIBLE


@pytest.mark.parametrize(("vital", "value"), [("systolic", 240), ("diastolic", 130), ("oxygen-saturation", 78)])
def test_a_critical_value_is_plausible(vital: str, value: int) -> None:
    unit = "%" if vital == "oxygen-saturation" else "mm[Hg]"
    assert judge(vital, Decimal(value), unit, ADULT) is Verdict.CRITICAL


@pytest.mark.parametrize(("value", "unit", "wanted", "exact"), [
    ("98.6", "[degF]", "Cel", Fraction(37)),
    ("-40", "[degF]", "Cel", Fraction(-40)),
    ("1", "[lb_av]", "kg", Fraction("0.45359237")),
    ("100", "[in_i]", "cm", Fraction(254)),
    ("72500", "g", "kg", Fraction("72.5")),
    ("37.0", "Cel", "Cel", Fraction(37)),
])  # fmt: skip
def test_a_unit_is_compared_exactly(value: str, unit: str, wanted: str, exact: Fraction) -> None:
    assert in_unit(Decimal(value), unit, wanted) == exact


def test_a_pair_of_units_that_is_not_declared_is_a_defect() -> None:
    with pytest.raises(KeyError):
        in_unit(Decimal(1), "[oz_av]", "kg")


@pytest.mark.parametrize(("value", "verdict"), [("107.6", "usual"), ("107.61", "implausible"), ("118.5", "impossible")])
def test_fahrenheit_meets_the_same_limits(value: str, verdict: str) -> None:
    age = (1_000, 1_000)
    assert judge("body-temperature", Decimal(value), "[degF]", age) == verdict


def test_age_is_what_birth_date_and_clinical_time_allow() -> None:
    assert age_at("2026-03-01", ClinicalTime("2026-03-10T12:00:00Z")) == (9, 9)
    assert age_at("2026-03-01", ClinicalTime("2026-03")) == (-1, 31)
    assert age_at(None, ClinicalTime("2026")) is None
    assert age_at("2026-03-01", None) is None


@given(st.decimals(0, 700, places=2), st.integers(0, 40_000), st.integers(0, 5_000))
def test_a_vaguer_age_never_asks_more(value: Decimal, days: int, vague: int) -> None:
    order = [Verdict.USUAL, Verdict.CRITICAL, Verdict.IMPLAUSIBLE, Verdict.IMPOSSIBLE]
    known = order.index(judge("body-weight", value, "kg", (days, days)))
    wider = order.index(judge("body-weight", value, "kg", (days, days + vague)))
    unknown = order.index(judge("body-weight", value, "kg", None))
    assert unknown <= wider <= known


@given(st.integers(-400, 60_000), st.integers(0, 4_000))
def test_every_age_falls_into_a_band(days: int, width: int) -> None:
    assert ranges._bands((days, days + width))


@pytest.mark.parametrize(("days", "band"), [
    (-3, "neonate"), (0, "neonate"), (27, "neonate"), (28, "infant"), (364, "infant"), (365, "child"), (4382, "child"),
    (4383, "adolescent"), (6574, "adolescent"), (6575, "adult"), (45_000, "adult"),
])  # fmt: skip
def test_bands_begin_where_the_table_says(days: int, band: str) -> None:
    assert ranges._bands((days, days)) == [band]


SLIPS: list[tuple[str, str, int, str | None]] = [
    ("72.5", "72.9", 1, None),
    ("72.5", "79.75", 7, None),
    ("72.5", "79.76", 7, "weight-change"),
    ("72.5", "65.2", 7, "weight-change"),
    ("72.5", "65.2", 8, None),
    ("72.5", "159.8", 900, "pound-kilogram-slip"),
    ("72.5", "32.9", 900, "pound-kilogram-slip"),
    ("72.5", "167", 0, "pound-kilogram-slip"),
    ("72.5", "168", 900, None),
    ("159.8", "72.5", 900, "pound-kilogram-slip"),
]


@pytest.mark.parametrize(
    ("previous", "current", "days", "slip"), SLIPS, ids=[f"{row[0]}-{row[1]}-{row[2]}" for row in SLIPS]
)
def test_a_weight_is_held_against_the_last_one(previous: str, current: str, days: int, slip: str | None) -> None:
    assert weight_slip(Decimal(previous), Decimal(current), days) == slip


@given(st.decimals("0.3", 600, places=2))
def test_pounds_for_kilograms_are_noticed_for_every_weight(kilograms: Decimal) -> None:
    pounds = kilograms / Decimal("0.45359237")
    assert weight_slip(kilograms, pounds, 5_000) == "pound-kilogram-slip"
    assert weight_slip(pounds, kilograms, 5_000) == "pound-kilogram-slip"
