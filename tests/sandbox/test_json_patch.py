"""JSON Patch as RFC 6902 has it, checked against a library that implements all of it."""

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.json_patch import MalformedPatch, PatchDoesNotApply, apply_patch, parse_patch

NAMES = st.sampled_from(["a", "b", "a/b", "m~n", "0", "1", "-"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
POINTERS = st.lists(NAMES, min_size=1, max_size=3).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "test"]), "path": POINTERS, "value": VALUES}
)


def outcome_of_library(document: Any, operations: list[dict[str, Any]]) -> Any:
    try:
        return jsonpatch.apply_patch(copy.deepcopy(document), copy.deepcopy(operations))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError):
        return "refused"


def outcome(document: Any, operations: list[dict[str, Any]]) -> Any:
    try:
        return apply_patch(document, parse_patch(operations))
    except PatchDoesNotApply:
        return "refused"


@given(document=st.dictionaries(NAMES, VALUES, max_size=4), operations=st.lists(OPERATIONS, min_size=1, max_size=3))
def test_a_patch_comes_to_what_the_library_makes_of_it(
    document: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    before = copy.deepcopy(document)
    assert outcome(document, operations) == outcome_of_library(document, operations)
    assert document == before


def test_true_is_not_one() -> None:
    with pytest.raises(PatchDoesNotApply):
        apply_patch({"a": True}, parse_patch([{"op": "test", "path": "/a", "value": 1}]))


@pytest.mark.parametrize(
    "patch",
    [
        {},
        [],
        ["x"],
        [{"op": "add", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "move", "path": "/a", "from": "/b"}],
        [{"op": "add", "path": "a", "value": 1}],
    ],
)
def test_what_is_no_patch_is_refused(patch: Any) -> None:
    with pytest.raises(MalformedPatch):
        parse_patch(patch)


def test_the_whole_document_can_be_tested_and_replaced_but_not_removed() -> None:
    steps = [{"op": "test", "path": "", "value": {"a": 1}}, {"op": "replace", "path": "", "value": {"b": 2}}]
    assert apply_patch({"a": 1}, parse_patch(steps)) == {"b": 2}
    for step in ({"op": "test", "path": "", "value": {}}, {"op": "remove", "path": ""}):
        with pytest.raises(PatchDoesNotApply):
            apply_patch({"a": 1}, parse_patch([step]))
