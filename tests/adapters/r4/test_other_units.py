"""A quantity that comes back in another unit is the one that was sent only if value and unit say so together."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.r4.normalisation import in_units, told, unexplained
from adapters.r4.other_units import Kept
from adapters.units import exactly
from canonical.code_systems import UCUM
from tests.adapters.commands import loinc, number

KEPT = {
    "[lb_av]": Kept(digits=1),
    "[in_i]": Kept(digits=2),
    "[degF]": Kept(digits=1),
    "kPa": Kept(digits=2),
    "[oz_av]": Kept(digits=2, text="oz"),
}
VALUE = in_units("Observation", "valueQuantity", KEPT, source="the EHR's guide")
PARTS = in_units("Observation", "component", KEPT, source="the EHR's guide", also=("oxygen",))
TEXTS = {"[lb_av]": "lb", "[in_i]": "in", "[degF]": "°F", "kg": "kg", "mm[Hg]": "mmHg", "[oz_av]": "oz"}


def quantity(value: str, code: str, **more: Any) -> dict[str, Any]:
    return {"value": number(value), "unit": TEXTS.get(code, code), "system": UCUM, "code": code, **more}


def reading(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Observation", "valueQuantity": said}


def panel(*said: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    codes = [loinc("8480-6", "Systolic"), loinc("8462-4", "Diastolic")]
    parts = [{"code": code, "valueQuantity": each, **more} for code, each in zip(codes, said, strict=True)]
    return {"resourceType": "Observation", "component": parts}


def is_explained(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    return not unexplained({"valueQuantity"}, reading(sent), reading(stored), [VALUE])


SENT = quantity("72.50", "kg")
STORED = quantity("159.8", "[lb_av]")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (SENT, STORED),
        (SENT, quantity("159.80", "[lb_av]")),
        (SENT, {**STORED, "unit": "pounds"}),
        (SENT, {name: item for name, item in STORED.items() if name != "unit"}),
        (quantity("36.6", "Cel"), quantity("97.9", "[degF]")),
        (quantity("40", "Cel"), quantity("104", "[degF]")),
        (quantity("180", "cm"), quantity("70.87", "[in_i]")),
        (quantity("159.83", "[lb_av]"), STORED),
        (quantity("3450", "g"), quantity("121.70", "[oz_av]")),
        (SENT, SENT),
    ],
)
def test_the_same_quantity_in_another_unit_is_explained(sent: dict[str, Any], stored: dict[str, Any]) -> None:
    assert is_explained(sent, stored)


MUTATIONS: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("a step up", lambda said: {**said, "value": number("159.9")}),
    ("a step down", lambda said: {**said, "value": number("159.7")}),
    ("more digits than are kept", lambda said: {**said, "value": number("159.83")}),
    ("the value as sent in the other unit", lambda said: {**said, "value": number("72.50")}),
    ("negative", lambda said: {**said, "value": number("-159.8")}),
    ("a text for a value", lambda said: {**said, "value": "159.8"}),
    ("a truth for a value", lambda said: {**said, "value": True}),
    ("no value", lambda said: {name: item for name, item in said.items() if name != "value"}),
    ("the unit as sent", lambda said: {**said, "code": "kg", "unit": "kg"}),
    ("another unit of the kind", lambda said: {**said, "code": "[oz_av]", "unit": "oz"}),
    ("a unit that is not declared", lambda said: {**said, "code": "[stone_av]"}),
    ("a unit of another kind", lambda said: {**said, "code": "[in_i]", "unit": "in"}),
    ("a text of another unit", lambda said: {**said, "unit": "kg"}),
    ("a text nobody knows", lambda said: {**said, "unit": "lbz"}),
    ("no code", lambda said: {name: item for name, item in said.items() if name != "code"}),
    ("another system", lambda said: {**said, "system": "urn:other"}),
    ("no system", lambda said: {name: item for name, item in said.items() if name != "system"}),
    ("a comparator", lambda said: {**said, "comparator": "<"}),
    ("an extension", lambda said: {**said, "extension": [{"url": "urn:x", "valueString": "x"}]}),
]


@pytest.mark.parametrize("mutate", [pytest.param(mutate, id=name) for name, mutate in MUTATIONS])
def test_one_change_of_value_or_unit_is_noticed(mutate: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    assert not is_explained(SENT, mutate(STORED))
    assert not PARTS.same(panel(SENT, SENT), panel(STORED, mutate(STORED)))


def test_a_quantity_that_is_gone_or_new_is_noticed() -> None:
    assert not VALUE.same({"valueQuantity": SENT}, {})
    assert not VALUE.same({}, {"valueQuantity": STORED})
    assert not VALUE.same({"valueQuantity": {**SENT, "system": "urn:other"}}, {"valueQuantity": STORED})


def test_a_rounding_that_loses_more_than_is_declared_is_noticed() -> None:
    """Half a pound is 0.2268 kg: sent as 0.25 kg, it would be told apart from its neighbours no more."""
    light, kept = quantity("0.25", "kg"), quantity("0.6", "[lb_av]")
    assert not is_explained(light, kept)
    coarse = in_units("Observation", "valueQuantity", {"[lb_av]": Kept(digits=1, tolerance=Decimal("0.1"))}, source="s")
    assert coarse.same(reading(light), reading(kept))


def test_only_the_element_and_the_type_that_are_declared_are_explained() -> None:
    assert unexplained({"valueQuantity", "code"}, reading(SENT), reading(STORED), [VALUE]) == {"code"}
    other = {**reading(SENT), "resourceType": "MedicationStatement"}
    assert unexplained({"valueQuantity"}, other, reading(STORED), [VALUE]) == {"valueQuantity"}


def test_it_is_told_with_its_units_digits_and_source() -> None:
    [change] = told([in_units("Observation", "component", {"kPa": Kept(digits=2)}, source="guide, page 3")])
    assert (change.element, change.source) == ("component", "guide, page 3")
    assert change.what == "given back in kPa with 2 decimals"


# -- components

PRESSURE = panel(quantity("128", "mm[Hg]"), quantity("82", "mm[Hg]"))
IN_KPA = panel(quantity("17.07", "kPa"), quantity("10.93", "kPa"))


def test_each_component_is_compared_with_its_own() -> None:
    assert PARTS.same(PRESSURE, IN_KPA)
    assert not unexplained({"component", "oxygen"}, PRESSURE, IN_KPA, [PARTS])
    assert not PARTS.same(PRESSURE, panel(quantity("10.93", "kPa"), quantity("17.07", "kPa")))
    assert not PARTS.same(PRESSURE, {**IN_KPA, "component": IN_KPA["component"][::-1]})


@pytest.mark.parametrize(
    "component",
    [
        IN_KPA["component"][:1],
        [*IN_KPA["component"], IN_KPA["component"][0]],
        [IN_KPA["component"][0], {**IN_KPA["component"][1], "code": loinc("8478-0", "Mean")}],
        [IN_KPA["component"][0], {**IN_KPA["component"][1], "interpretation": [{"text": "low"}]}],
        [IN_KPA["component"][0], {"code": IN_KPA["component"][1]["code"]}],
        [IN_KPA["component"][0], "x"],
        None,
        {},
    ],
)
def test_whatever_else_differs_in_a_component_is_noticed(component: Any) -> None:
    assert not PARTS.same(PRESSURE, {"component": component})


def test_a_component_without_a_quantity_must_be_equal() -> None:
    breathing = {"code": {"text": "room air"}, "valueBoolean": True}
    parts = [*PRESSURE["component"], breathing]
    kept = IN_KPA["component"]
    assert PARTS.same({"component": parts}, {"component": [*kept, dict(breathing)]})
    assert not PARTS.same({"component": parts}, {"component": [*kept, {**breathing, "valueBoolean": False}]})
    assert not PARTS.same({"component": parts}, {"component": [*kept, {**breathing, "valueBoolean": 1}]})


# -- over the whole space

#: From 28 on, half a tenth of a degree Fahrenheit is within the share that a `Kept` may lose.
ONE_DECIMAL = st.decimals(min_value="30", max_value="300", places=1, allow_nan=False, allow_infinity=False)


@given(ONE_DECIMAL, st.sampled_from([("kg", "[lb_av]"), ("cm", "[in_i]"), ("Cel", "[degF]")]), st.integers(-30, 30))
def test_exactly_the_rounding_is_the_same(value: Decimal, pair: tuple[str, str], steps: int) -> None:
    stated, kept_in = pair
    digits = KEPT[kept_in].digits
    exact = exactly(value, stated, kept_in)
    grid = Fraction(exact * 10**digits)
    assume(grid % 1 != Fraction(1, 2))
    stored = Decimal(round(grid) + steps).scaleb(-digits)
    assert is_explained(quantity(str(value), stated), quantity(str(stored), kept_in)) == (steps == 0)


@given(ONE_DECIMAL, st.sampled_from([("kg", "[lb_av]"), ("cm", "[in_i]"), ("Cel", "[degF]")]))
def test_what_explains_one_value_explains_neither_neighbour_of_it(value: Decimal, pair: tuple[str, str]) -> None:
    """One step of the last digit that was sent is more than is lost, in these units at these digits."""
    stated, kept_in = pair
    digits = KEPT[kept_in].digits
    stored = Decimal(round(exactly(value, stated, kept_in) * 10**digits)).scaleb(-digits)
    for neighbour in (value - Decimal("0.1"), value + Decimal("0.1")):
        assert not is_explained(quantity(str(neighbour), stated), quantity(str(stored), kept_in))
