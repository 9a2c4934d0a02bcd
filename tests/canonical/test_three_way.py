from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import exact_json
from canonical.action import FieldGroup, action_specs
from canonical.three_way import UNSEEN, Comparison, FieldDiff, FieldState, compare
from tests.canonical.json_values import NAMES, projections
from tests.factories import decimal, dosage_json, quantity

GROUPS = (
    FieldGroup(name="dose", fields=("dosage", "code"), significance="high"),
    FieldGroup(name="note", fields=("note",), significance="low", policy="append"),
)
Said = Mapping[str, Any]


def compared(
    base: Said | None, current: Said, proposed: Said, touched: Collection[str] = NAMES, **more: Any
) -> Comparison:
    return compare(base=base, current=current, proposed=proposed, touched=touched, groups=GROUPS, **more)


def field(comparison: Comparison, name: str = "status") -> FieldDiff:
    found = comparison.field(name)
    assert found is not None
    return found


#: base, current, proposed, stated by the action → state, changed by, pending, moved. ``...``: the author did not see it.
CASES: list[tuple[Any, Any, Any, bool, tuple[FieldState, str | None, bool, bool]]] = [
    ("a", "a", "a", True, (FieldState.SAME, None, False, False)),
    ("a", "a", "a", False, (FieldState.SAME, None, False, False)),
    ("a", "a", "b", True, (FieldState.INDEPENDENT, "author", True, False)),
    # What the plan makes of a field that the action does not state follows from the operation: it is the author's doing.
    ("a", "a", "b", False, (FieldState.INDEPENDENT, "author", True, False)),
    ("a", "c", "c", False, (FieldState.INDEPENDENT, "chart", False, True)),
    ("a", "c", "a", False, (FieldState.INDEPENDENT, "chart", False, True)),
    ("a", "c", "c", True, (FieldState.ALREADY_THERE, "both", False, True)),
    ("a", "c", "b", True, (FieldState.OVERLAPPING, "both", True, True)),
    ("a", "c", "b", False, (FieldState.OVERLAPPING, "both", True, True)),
    # Stating again what was seen would undo what somebody changed since.
    ("a", "c", "a", True, (FieldState.OVERLAPPING, "chart", True, True)),
    ("a", None, "b", True, (FieldState.OVERLAPPING, "both", True, True)),
    ("a", None, None, True, (FieldState.ALREADY_THERE, "both", False, True)),
    (None, "c", "b", True, (FieldState.OVERLAPPING, "both", True, True)),
    (None, None, "b", True, (FieldState.INDEPENDENT, "author", True, False)),
    (..., "c", "b", True, (FieldState.OVERLAPPING, "author", True, False)),
    (..., "c", "b", False, (FieldState.OVERLAPPING, "author", True, False)),
    (..., "c", None, True, (FieldState.OVERLAPPING, "author", True, False)),
    (..., "c", "c", True, (FieldState.ALREADY_THERE, None, False, False)),
    (..., "c", "c", False, (FieldState.SAME, None, False, False)),
    (..., None, "b", True, (FieldState.INDEPENDENT, "author", True, False)),
]


@pytest.mark.parametrize(("base", "current", "proposed", "stated", "expected"), CASES, ids=repr)
def test_a_field_stands_as_author_and_chart_left_it(
    base: Any, current: Any, proposed: Any, *, stated: bool, expected: tuple[FieldState, str | None, bool, bool]
) -> None:
    found = field(
        compared(
            {} if base is ... else {"status": base},
            {} if current is None else {"status": current},
            {} if proposed is None else {"status": proposed},
            ("status",) if stated else (),
        )
    )
    assert (found.state, found.changed_by, found.pending, found.moved) == expected
    assert (found.base is UNSEEN) is (base is ...)


def test_two_fields_of_one_clinical_unit_overlap_though_each_was_changed_by_one() -> None:
    base = {"dosage": "once", "code": "10 mg"}
    found = compared(base, base | {"code": "20 mg"}, base | {"dosage": "twice", "code": "20 mg"}, ("dosage",))
    assert field(found, "dosage").state is FieldState.INDEPENDENT
    assert [group.name for group in found.overlapping] == ["dose"]


def test_fields_of_two_units_do_not() -> None:
    base = {"dosage": "once", "note": ["a"]}
    found = compared(base, base | {"note": ["a", "b"]}, {"dosage": "twice", "note": ["a", "b"]}, ("dosage",))
    assert found.overlapping == ()
    assert {group.name: group.state for group in found.groups} == dict.fromkeys(
        ("dose", "note"), FieldState.INDEPENDENT
    )
    assert found.moved
    assert not found.moot


def test_a_unit_of_which_the_author_did_not_see_everything_overlaps() -> None:
    found = compared({"dosage": "once"}, {"dosage": "once", "code": "20 mg"}, {"dosage": "twice", "code": "20 mg"})
    assert [group.name for group in found.overlapping] == ["dose"]


def test_under_the_version_that_the_author_named_nothing_they_did_not_see_has_moved() -> None:
    current, proposed = {"dosage": "once", "code": "20 mg"}, {"dosage": "twice", "code": "20 mg"}
    found = compared({"dosage": "once"}, current, proposed, same_version=True)
    assert (found.overlapping, found.moved) == ((), False)


def test_a_version_in_which_nothing_differs_is_no_change() -> None:
    said = {"dosage": [dosage_json()], "status": "active"}
    found = compared(said, dict(said), dict(said), ())
    assert {one.state for one in found.fields} == {FieldState.SAME}
    assert (found.moved, found.moot, found.author_fields, found.chart_fields) == (False, True, (), ())


def test_a_number_written_with_another_precision_is_no_difference() -> None:
    seen, chart = {"status": {"value": decimal("72.5")}}, {"status": {"value": decimal("72.50")}}
    assert not compared(seen, chart, chart).moved
    assert compared(seen, chart, chart).digest() == compared(chart, seen, seen).digest()


def test_what_the_chart_says_already_leaves_nothing_to_do() -> None:
    found = compared({"status": "active"}, {"status": "stopped"}, {"status": "stopped"})
    assert found.moot
    assert found.merged == {"status": "stopped"}


def test_pages_are_told_where_inside_a_field_it_differs() -> None:
    one, two, four = (
        {"dosage": [dosage_json(doseAndRate=[{"doseQuantity": quantity(number, "tablet")}])]} for number in "124"
    )
    found = field(compared(one, two, four), "dosage")
    assert found.parts == found.moved_parts == ("/0/doseAndRate/0/doseQuantity/value",)


def test_a_field_of_no_group_is_a_unit_of_its_own_and_significant() -> None:
    found = compared({"status": "a"}, {"status": "a"}, {"status": "b"})
    (group,) = found.groups
    assert (group.name, group.significance) == ("status", "high")


def test_every_action_s_groups_can_be_compared() -> None:
    for spec in action_specs().values():
        names = [name for group in spec.field_groups for name in group.fields]
        said = dict.fromkeys(names, "a")
        found = compare(base=said, current=said, proposed=said, touched=names, groups=spec.field_groups)
        assert [group.name for group in found.groups] == [group.name for group in spec.field_groups]


THREE = st.tuples(projections(), projections(), projections(), st.sets(st.sampled_from(NAMES)))


@given(THREE)
def test_nothing_that_is_merged_is_a_value_of_nobody(said: tuple[Said, Said, Said, set[str]]) -> None:
    base, current, proposed, touched = said
    found = compared(base, current, proposed, touched)
    for name, value in found.merged.items():
        assert exact_json.equal(value, current.get(name)) or exact_json.equal(value, proposed.get(name))
    assert {one.name for one in found.fields} == {
        name for said in (base, current, proposed) for name, value in said.items() if value is not None
    }


@given(THREE)
def test_a_difference_that_overlaps_nowhere_is_of_one_side_only(said: tuple[Said, Said, Said, set[str]]) -> None:
    base, current, proposed, touched = said
    for group in compared(base, current, proposed, touched).groups:
        if group.state is not FieldState.OVERLAPPING and group.pending:
            assert not group.moved
            assert not any(one.is_unseen for one in group.fields)


@given(THREE, THREE)
def test_two_looks_have_one_digest_just_when_they_show_the_same(
    one: tuple[Said, Said, Said, set[str]], two: tuple[Said, Said, Said, set[str]]
) -> None:
    first, second = (compared(*said) for said in (one, two))
    assert (first.digest() == second.digest()) is _same(first, second)


def _same(one: Comparison, other: Comparison) -> bool:
    def columns(comparison: Comparison) -> dict[str, Any]:
        return {
            field.name: [
                field.base is UNSEEN, None if field.base is UNSEEN else field.base, field.current, field.proposed
            ]
            for field in comparison.fields
        }  # fmt: skip

    return exact_json.equal(columns(one), columns(other))
