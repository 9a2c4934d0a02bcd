from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ucum import NotUnderstoodError, unit
from adapters.units import NotConvertibleError, commensurable, convert, exactly, is_rounding, is_ucum, near
from canonical import ranges
from canonical.errors import UnsupportedActionError
from canonical.exact_json import WrittenDecimal
from canonical.vital_signs import vital_signs

#: Units of one kind each.
KINDS = [
    ["kg", "g", "mg", "[lb_av]", "[oz_av]"],
    ["cm", "m", "mm", "[in_i]", "[ft_i]"],
    ["Cel", "[degF]", "K"],
    ["mm[Hg]", "kPa", "cm[H2O]"],
    ["L/min", "mL/min", "mL/h"],
    ["10*9/L", "10*3/uL", "/nL"],
    ["mmol/L", "umol/mL"],
    ["[IU]/L", "m[IU]/mL"],
]
SMALL_LOSS = Decimal("0.001")
values = st.decimals(min_value="-999.999", max_value="999.999", places=3, allow_nan=False, allow_infinity=False)
pairs = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.sampled_from(kind), st.sampled_from(kind)))


def step(digits: int) -> Fraction:
    return Fraction(1, 10**digits)


# -- what goes into what


@pytest.mark.parametrize("kind", KINDS, ids="|".join)
def test_units_of_one_kind_are_commensurable_and_those_of_two_are_not(kind: list[str]) -> None:
    others = [unit for other in KINDS if other is not kind for unit in other]
    assert all(commensurable(one, other) for one in kind for other in kind)
    assert not any(commensurable(one, other) for one in kind for other in others)


@pytest.mark.parametrize(
    ("one", "other"),
    [("{tablet}", "{capsule}"), ("{tablet}", "1"), ("[IU]", "mg"), ("[IU]", "[arb'U]"), ("kg", "kilogram"), ("", "")],
)
def test_what_has_no_common_measure_is_never_commensurable(one: str, other: str) -> None:
    assert not commensurable(one, other)
    with pytest.raises(UnsupportedActionError):
        exactly(Decimal(1), one, other)


def test_every_unit_of_the_vital_signs_is_ucum_and_each_sign_has_units_of_one_kind() -> None:
    for vital in vital_signs().values():
        assert all(is_ucum(code) for code in vital.units)
        assert all(commensurable(vital.units[0], code) for code in vital.units)


# -- exactly


@pytest.mark.parametrize(
    ("value", "stated", "wanted", "exact"),
    [
        ("1", "[lb_av]", "kg", "0.45359237"),
        ("72.50", "kg", "g", "72500"),
        ("3450", "g", "kg", "3.45"),
        ("70", "[in_i]", "cm", "177.8"),
        ("98.6", "[degF]", "Cel", "37"),
        ("-40", "Cel", "[degF]", "-40"),
        ("0", "Cel", "[degF]", "32"),
        ("0", "Cel", "K", "273.15"),
        ("5", "10*3/uL", "10*9/L", "5"),
        ("15", "/min", "/h", "900"),
        ("97", "%", "1", "0.97"),
        ("2.5", "m[IU]/mL", "[IU]/L", "2.5"),
        ("90", "mg/dL", "g/L", "0.9"),
    ],
)
def test_a_conversion_is_exact_where_the_definition_is(value: str, stated: str, wanted: str, exact: str) -> None:
    assert exactly(Decimal(value), stated, wanted) == Fraction(exact)


def test_a_column_of_mercury_is_as_exact_as_its_definitions_agree() -> None:
    assert abs(exactly(Decimal(120), "mm[Hg]", "kPa") / Fraction("15.99864") - 1) < Fraction(1, 100_000)


def test_the_thresholds_of_vital_signs_reckon_with_the_same_factors() -> None:
    """``canonical`` loads no library at the door; what it states itself is what UCUM says."""
    for stated, wanted in ranges._CONVERSIONS:
        for value in map(Decimal, ("0", "1", "72.50", "-40", "104.3")):
            assert ranges.in_unit(value, stated, wanted) == exactly(value, stated, wanted)


@given(values, pairs)
def test_there_and_back_is_where_it_began(value: Decimal, pair: tuple[str, str]) -> None:
    stated, wanted = pair
    assert exactly(exactly(value, stated, wanted), wanted, stated) == Fraction(value)


@given(values, pairs)
def test_a_conversion_is_that_of_the_library_of_units(value: Decimal, pair: tuple[str, str]) -> None:
    stated, wanted = map(unit, pair)
    moved = stated.of(Fraction(value)).to(wanted.size.units).magnitude
    assert exactly(value, *pair) == Fraction(moved) / Fraction(wanted.size.magnitude)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+999999999", "1E-999999999", "0E+999999999"])
def test_a_number_that_is_no_measurement_is_refused_at_once(value: str) -> None:
    with pytest.raises(NotConvertibleError):
        exactly(Decimal(value), "kg", "g")


# -- rounded


@pytest.mark.parametrize(
    ("value", "stated", "wanted", "digits", "result"),
    [
        ("72.50", "kg", "[lb_av]", 1, "159.8"),
        ("72.50", "kg", "[lb_av]", 2, "159.84"),
        ("36.6", "Cel", "[degF]", 1, "97.9"),
        ("180", "cm", "[in_i]", 2, "70.87"),
        ("3450", "g", "kg", 3, "3.450"),
        ("-0.25", "g", "mg", 0, "-250"),
        ("0", "kg", "[lb_av]", 2, "0.00"),
        ("40", "Cel", "[degF]", 0, "104"),
    ],
)
def test_a_value_is_rounded_to_the_declared_digits(
    value: str, stated: str, wanted: str, digits: int, result: str
) -> None:
    found = convert(Decimal(value), stated, wanted, digits=digits, tolerance=SMALL_LOSS)
    assert str(found) == result


def test_in_its_own_unit_a_value_stays_as_it_was_written() -> None:
    value = WrittenDecimal("72.500")
    assert convert(value, "kg", "kg", digits=1, tolerance=Decimal(0)) is value


def test_a_value_that_rounding_would_change_is_refused() -> None:
    with pytest.raises(NotConvertibleError, match="would be another"):
        convert(Decimal("0.500"), "kg", "[lb_av]", digits=0, tolerance=SMALL_LOSS)
    with pytest.raises(NotConvertibleError, match="would be another"):
        convert(Decimal("0.001"), "g", "kg", digits=3, tolerance=SMALL_LOSS)


@given(values, pairs, st.integers(0, 4), st.sampled_from([Decimal(0), SMALL_LOSS, Decimal("0.05")]))
def test_what_is_returned_has_the_declared_digits_and_says_the_same_within_the_tolerance(
    value: Decimal, pair: tuple[str, str], digits: int, tolerance: Decimal
) -> None:
    stated, wanted = pair
    try:
        result = convert(value, stated, wanted, digits=digits, tolerance=tolerance)
    except NotConvertibleError:
        exact = exactly(value, stated, wanted)
        kept = Fraction(round(exact / step(digits))) * step(digits)
        lost = abs(exactly(kept, wanted, stated) - Fraction(value))
        assert lost > abs(Fraction(value)) * Fraction(tolerance) or exact / step(digits) % 1 == Fraction(1, 2)
        return
    assert near(result, wanted, value, stated, tolerance=tolerance)
    if stated != wanted:
        assert result.as_tuple().exponent == -digits
        assert is_rounding(result, wanted, value, stated, digits=digits)


@pytest.mark.parametrize(("stated", "wanted"), [("kg", "cm"), ("kg", "%"), ("[IU]", "1"), ("{tablet}", "{capsule}")])
def test_another_kind_of_unit_is_refused(stated: str, wanted: str) -> None:
    with pytest.raises(NotConvertibleError, match="another kind"):
        convert(Decimal(1), stated, wanted, digits=2, tolerance=Decimal(1))


@pytest.mark.parametrize(("stated", "wanted"), [("lbs", "kg"), ("kg", "lbs"), ("lbs", "lbs")])
def test_a_code_that_is_not_ucum_is_refused_also_where_nothing_need_be_converted(stated: str, wanted: str) -> None:
    with pytest.raises(NotUnderstoodError):
        convert(Decimal(1), stated, wanted, digits=2, tolerance=Decimal(1))


# -- compared


@given(values, pairs, st.integers(0, 3))
def test_one_step_beside_the_rounding_is_another_value(value: Decimal, pair: tuple[str, str], digits: int) -> None:
    """But for a tie, whose two neighbours are both its rounding, exactly one number is."""
    stated, kept_in = pair
    exact = exactly(value, stated, kept_in)
    lower = Decimal(exact // step(digits)).scaleb(-digits)
    near_by = [lower + Decimal(number).scaleb(-digits) for number in (-1, 0, 1, 2)]
    found = [number for number in near_by if is_rounding(number, kept_in, value, stated, digits=digits)]
    is_tie = exact / step(digits) % 1 == Fraction(1, 2)
    assert len(found) == (2 if is_tie else 1)


@pytest.mark.parametrize("stored", ["159.84", "159.7", "159.9", "72.5", "0"])
def test_a_number_with_more_digits_or_another_value_is_no_rounding(stored: str) -> None:
    assert is_rounding(Decimal("159.8"), "[lb_av]", Decimal("72.50"), "kg", digits=1)
    assert not is_rounding(Decimal(stored), "[lb_av]", Decimal("72.50"), "kg", digits=1)
