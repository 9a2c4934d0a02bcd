"""The list of changes comes to exactly what was decided; whoever applies it here is somebody else's code."""

from __future__ import annotations

import re
from typing import Any

import jsonpatch
import pytest
from fhirpathpy import evaluate
from hypothesis import given
from hypothesis import strategies as st
from sekmet.fhir.service import _fhirpath_patch

from canonical.action import action_specs
from canonical.change_list import fhirpath_patch, is_written_alike, json_patch
from canonical.fhir_types import types_of
from tests.canonical.json_values import LEAVES, VALUES, WORDS, projections
from tests.factories import Json, concept, decimal, dosage_json, quantity

ROOT = "MedicationStatement"
TYPES = types_of(action_specs()["MedicationChange"].model)
#: Elements with one value, and lists, of types that a parameter can have.
SINGLE = {
    "medication": TYPES["medication"],
    "strength": TYPES["strength"],
    "status": "code",
    "effectivePeriod": "Period",
}
LISTS = {"dosage": TYPES["dosage"], "note": TYPES["note"], "category": "code"}
OBJECTS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=3)


def of_type(fhir_type: str) -> st.SearchStrategy[Any]:
    return WORDS if fhir_type == "code" else OBJECTS


ONE_VALUE = st.fixed_dictionaries({}, optional={name: of_type(kind) for name, kind in SINGLE.items()})
MANY = st.fixed_dictionaries(
    {}, optional={name: st.lists(of_type(kind), min_size=1, max_size=4) for name, kind in LISTS.items()}
)


@given(projections(), projections())
def test_a_json_patch_makes_of_the_chart_exactly_what_was_decided(before: Json, after: Json) -> None:
    applied = jsonpatch.apply_patch(before, json_patch(before, after))
    assert is_written_alike(applied, after)


ITEMS = st.lists(VALUES, max_size=4)


@given(ITEMS, ITEMS)
def test_a_list_that_was_cut_or_grew_comes_to_exactly_what_was_decided(before: list[Any], after: list[Any]) -> None:
    changes = json_patch({"dosage": before}, {"dosage": after})
    assert is_written_alike(jsonpatch.apply_patch({"dosage": before}, changes), {"dosage": after})


@given(projections())
def test_nothing_is_changed_where_nothing_differs(said: Json) -> None:
    assert json_patch(said, said) == []
    assert fhirpath_patch(ROOT, said, said) == {"resourceType": "Parameters"}


def test_a_decimal_that_is_only_written_otherwise_is_changed_in_its_place() -> None:
    before, after = (
        {"dosage": [dosage_json(doseAndRate=[{"doseQuantity": quantity(n, "mg")}])]} for n in ("2.5", "2.50")
    )
    (change,) = json_patch(before, after)
    assert (change["op"], change["path"], str(change["value"])) == (
        "replace",
        "/dosage/0/doseAndRate/0/doseQuantity/value",
        "2.50",
    )


@given(ONE_VALUE, ONE_VALUE)
def test_a_fhirpath_patch_of_single_elements_is_applied_exactly_by_a_server(before: Json, after: Json) -> None:
    applied = _fhirpath_patch({"resourceType": ROOT, **before}, fhirpath_patch(ROOT, before, after, SINGLE))
    assert is_written_alike(applied, {"resourceType": ROOT, **after})


@given(MANY, MANY)
def test_a_fhirpath_patch_of_lists_comes_to_exactly_what_was_decided(before: Json, after: Json) -> None:
    empty: Json = dict.fromkeys(LISTS)
    chart = {name: list(before.get(name, [])) for name in empty}
    applied = jsonpatch.apply_patch(chart, as_json_patch(fhirpath_patch(ROOT, before, after, LISTS)))
    assert is_written_alike({name: items for name, items in applied.items() if items}, after)


@given(st.tuples(MANY, ONE_VALUE), st.tuples(MANY, ONE_VALUE))
def test_every_path_names_one_element_of_the_entry_as_it_then_is(
    before: tuple[Json, Json], after: tuple[Json, Json]
) -> None:
    chart, decided = before[0] | before[1], after[0] | after[1]
    patch = fhirpath_patch(ROOT, chart, decided, SINGLE | LISTS)
    here: Json = {"resourceType": ROOT, **{name: [] for name in LISTS}, **chart}
    for operation in operations(patch):
        named = evaluate(here, operation["path"]["valueString"], {})
        kind = operation["type"]["valueCode"]
        assert len(named) == 1 or kind == "insert"
        assert kind != "insert" or len(named) == operation["index"]["valueInteger"]
        step = as_json_patch({"parameter": [operation["whole"]]})
        here = jsonpatch.apply_patch(here, step)


def operations(patch: Json) -> list[Json]:
    return [
        {part["name"]: part for part in parameter["part"]} | {"whole": parameter}
        for parameter in patch.get("parameter", [])
    ]


def as_json_patch(patch: Json) -> list[Json]:
    """Say each operation in the other dialect, path for path; the library applies it."""
    told = []
    for operation in operations(patch):
        path = operation["path"]["valueString"].removeprefix(ROOT)
        pointer = re.sub(r"\[(\d+)\]", r"/\1", path).replace(".", "/")
        value = next((item for name, item in operation.get("value", {}).items() if name.startswith("value")), None)
        kind = operation["type"]["valueCode"]
        if kind == "insert":
            pointer += f"/{operation['index']['valueInteger']}"
        if kind == "add":
            pointer += f"/{operation['name']['valueString']}"
        op = {"insert": "add", "delete": "remove"}.get(kind, kind)
        told.append({"op": op, "path": pointer, **({} if op == "remove" else {"value": value})})
    return told


def test_a_value_goes_under_the_type_that_the_element_has() -> None:
    after = {"medication": concept("urn:x", "1", "lisinopril"), "dateAsserted": "2026-03-10", "isOtc": True}
    patch = fhirpath_patch(ROOT, {}, after, TYPES)
    named = [set(operation["value"]) - {"name"} for operation in operations(patch)]
    assert named == [{"valueCodeableConcept"}, {"valueDateTime"}, {"valueBoolean"}]


@pytest.mark.parametrize(
    ("value", "name"),
    [("text", "valueString"), (True, "valueBoolean"), (3, "valueInteger"), (decimal("0.10"), "valueDecimal")],
)
def test_a_value_of_no_known_type_goes_by_its_shape(value: Any, name: str) -> None:
    (operation,) = operations(fhirpath_patch(ROOT, {}, {"x": value}))
    assert is_written_alike(operation["value"][name], value)


@given(st.dictionaries(st.sampled_from("abc"), LEAVES, min_size=1))
def test_an_element_without_a_type_goes_in_named_parts_that_a_server_puts_together(members: Json) -> None:
    applied = _fhirpath_patch({"resourceType": ROOT}, fhirpath_patch(ROOT, {}, {"x": members}))
    assert is_written_alike(applied["x"], members)
