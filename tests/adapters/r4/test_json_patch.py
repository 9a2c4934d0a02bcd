"""A change of single elements: what leaves, and what of the stored entry it is held against."""

from typing import Any

from adapters.r4 import json_patch
from canonical import exact_json
from canonical.ports import Interaction, Operation

BEFORE: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "subject": {"reference": "Patient/p1"},
    "status": "active",
    "priority": "routine",
    "note": [{"text": "before"}],
}


def steps(after: dict[str, Any], *elements: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exact_json.parse(json_patch.patch_of(BEFORE, after, elements))
    return found


def operation(after: dict[str, Any], *elements: str) -> Operation:
    return Operation(
        interaction=Interaction.PATCH,
        resource_type="MedicationRequest",
        reference="MedicationRequest/m1",
        body=json_patch.patch_of(BEFORE, after, elements),
        mark="m",
        mapping_version="x",
    )


def test_patch_holds_only_while_the_entry_is_this_patients() -> None:
    assert steps(BEFORE)[0] == {"op": "test", "path": "/subject/reference", "value": "Patient/p1"}
    allergy = {"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"}}
    (test,) = exact_json.parse(json_patch.patch_of(allergy, allergy, ()))
    assert test["path"] == "/patient/reference"


def test_elements_are_replaced_added_and_removed_and_others_left_out() -> None:
    after = {**BEFORE, "status": "stopped", "statusReason": {"text": "done"}, "note": [{"text": "unsent"}]}
    del after["priority"]
    assert steps(after, "status", "statusReason", "priority")[1:] == [
        {"op": "replace", "path": "/status", "value": "stopped"},
        {"op": "add", "path": "/statusReason", "value": {"text": "done"}},
        {"op": "remove", "path": "/priority"},
    ]


def test_patch_is_held_against_the_elements_that_it_touches_and_their_entry() -> None:
    after = {**BEFORE, "status": "stopped"}
    del after["priority"]
    patch = operation(after, "status", "priority")
    assert json_patch.said_by(patch) == {"resourceType": "MedicationRequest", "id": "m1", "status": "stopped"}
    stored = {**BEFORE, "status": "stopped", "note": [{"text": "somebody else's"}]}
    assert json_patch.part_of(stored, patch) == {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "stopped",
        "priority": "routine",
    }
