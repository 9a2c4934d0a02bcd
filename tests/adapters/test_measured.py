from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.measured import converted, in_a_unit_of, same_amount
from canonical.code_systems import UCUM
from canonical.errors import UnsupportedActionError
from tests.adapters.commands import number

PAIRS = [
    ("kg", "g"),
    ("g", "kg"),
    ("[lb_av]", "g"),
    ("[in_i]", "cm"),
    ("Cel", "[degF]"),
    ("m", "cm"),
    ("[lb_av]", "[oz_av]"),
]
VALUES = st.decimals(min_value="0.1", max_value="500", places=2)


def amount(value: object, code: str | None) -> dict[str, object]:
    return {"value": value, "code": code, "system": UCUM}


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        ("72.50", "kg", "g", "72500"),
        ("37.2", "Cel", "[degF]", "98.96"),
        ("66.5", "[in_i]", "cm", "168.91"),
        ("160", "[lb_av]", "g", "72574.7792"),
        ("170", "cm", "[in_i]", "66.929133858"),
    ],
)
def test_number_is_converted_exactly_or_with_nine_decimals(value: str, unit: str, wanted: str, expected: str) -> None:
    assert str(converted(Decimal(value), unit, wanted)) == expected


@given(value=VALUES, pair=st.sampled_from(PAIRS))
def test_what_is_converted_is_the_same_amount(value: Decimal, pair: tuple[str, str]) -> None:
    unit, wanted = pair
    assert same_amount(amount(value, unit), amount(converted(value, unit, wanted), wanted))
    assert abs(converted(converted(value, unit, wanted), wanted, unit) - value) < Decimal("0.00001")


@given(value=VALUES, pair=st.sampled_from(PAIRS), off=st.decimals(min_value="1.02", max_value="3", places=2))
def test_another_amount_is_never_the_same(value: Decimal, pair: tuple[str, str], off: Decimal) -> None:
    unit, wanted = pair
    other = converted(value * off, unit, wanted) if unit != "Cel" else converted(value * off + 1, unit, wanted)
    assert not same_amount(amount(value, unit), amount(other, wanted))


@given(value=VALUES, other=VALUES)
def test_in_one_unit_only_the_number_itself_is_the_same(value: Decimal, other: Decimal) -> None:
    assert same_amount(amount(value, "kg"), amount(other, "kg")) is (value == other)


@pytest.mark.parametrize(
    ("sent", "stored", "same"),
    [
        (("72.50", "kg"), ("159.8", "[lb_av]"), True),
        (("72.50", "kg"), ("160", "[lb_av]"), True),
        (("72.50", "kg"), ("159.2", "[lb_av]"), False),
        (("72.50", "kg"), ("72.50", "[lb_av]"), False),
        (("72.50", "kg"), ("72.50", "cm"), False),
        (("72.50", "kg"), ("72.50", "furlong"), False),
        (("3.2", "kg"), ("7", "[lb_av]"), False),
    ],
)
def test_rounding_of_the_ehr_is_told_from_another_number(
    sent: tuple[str, str], stored: tuple[str, str], *, same: bool
) -> None:
    assert same_amount(amount(number(sent[0]), sent[1]), amount(number(stored[0]), stored[1])) is same


def test_unit_that_is_taken_is_left_alone_with_its_digits() -> None:
    value, word = in_a_unit_of(amount(number("72.50"), "kg"), {"[lb_av]": "lb", "kg": "kg"}, "weight")
    assert (str(value), word) == ("72.50", "kg")


@pytest.mark.parametrize(
    "quantity",
    [
        amount(70, "stone"),
        amount(70, "Cel"),
        {"value": 70, "unit": "kg"},
        {**amount(70, "kg"), "comparator": "<"},
        {"code": "kg", "system": UCUM},
    ],
)
def test_what_is_no_plain_number_in_a_known_unit_is_refused(quantity: dict[str, object]) -> None:
    with pytest.raises(UnsupportedActionError):
        in_a_unit_of(quantity, {"g": "g"}, "weight")


def test_number_that_its_digits_could_not_hold_is_refused() -> None:
    with pytest.raises(UnsupportedActionError):
        converted(Decimal("0.0000001"), "g", "kg")
