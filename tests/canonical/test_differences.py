from __future__ import annotations

from typing import Any

from hypothesis import given
from jsonpointer import resolve_pointer

from canonical import exact_json
from canonical.differences import pointers
from tests.canonical.json_values import VALUES
from tests.factories import decimal, dosage_json, quantity

NOTHING = object()


def test_what_differs_inside_a_dosage_is_named_to_the_last_member() -> None:
    seen = [dosage_json()]
    chart = [dosage_json(doseAndRate=[{"doseQuantity": quantity("2", "tablet")}], text="Take 2 tablets by mouth")]
    assert pointers(seen, chart) == ("/0/text", "/0/doseAndRate/0/doseQuantity/value")


def test_a_number_written_otherwise_is_the_same_and_true_is_not_one() -> None:
    assert pointers({"value": decimal("72.5")}, {"value": decimal("72.50")}) == ()
    assert pointers({"value": True}, {"value": 1}) == ("/value",)


def test_a_member_or_item_that_one_side_lacks_is_named_itself() -> None:
    assert pointers({"a/b": 1}, {"m~n": 2}) == ("/a~1b", "/m~0n")
    assert pointers([1], [1, 2, 3]) == ("/1", "/2")


def test_values_of_two_kinds_differ_as_a_whole() -> None:
    assert pointers([1], {"0": 1}) == ("",)
    assert pointers(None, "a") == ("",)


@given(VALUES, VALUES)
def test_at_every_place_named_the_two_differ_and_there_is_one_just_where_they_do(one: Any, other: Any) -> None:
    found = pointers(one, other)
    assert bool(found) is not exact_json.equal(one, other)
    for pointer in found:
        here, there = (resolve_pointer(value, pointer, NOTHING) for value in (one, other))
        assert here is NOTHING or there is NOTHING or not exact_json.equal(here, there)
