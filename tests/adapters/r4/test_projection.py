"""Whatever one step changes in a stored resource is noticed, unless it is a declared normalisation."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir_r4 import ADAPTER
from adapters.site import Site
from canonical import exact_json
from canonical.ports import Operation, Surrounding
from tests.adapters.commands import BLOOD_PRESSURE, START, WEIGHT, command
from tests.adapters.r4.test_medication_statement import DESCRIBED
from tests.adapters.r4.test_medication_statement import FULL as FULL_ENTRY
from tests.adapters.r4.test_observation import FULL as FULL_READING
from tests.adapters.r4.test_observation import SATURATION

SITE = Site(base_url="https://ehr.example/fhir")
ACTIONS = [WEIGHT, BLOOD_PRESSURE, SATURATION, FULL_READING, START, FULL_ENTRY, DESCRIBED]
OPERATIONS: list[Operation] = [ADAPTER.plan(command(action), Surrounding(), SITE)[0] for action in ACTIONS]
Path = tuple[str | int, ...]
#: What an EHR may rewrite without changing the statement, by the last name of the path.
FREE = {"display", "id", "resourceType"}


def stored(operation: Operation) -> dict[str, Any]:
    """The resource as a faithful EHR stores it: with its id and version, and the digits it likes."""
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return {**resource, "id": "x1", "meta": {**resource.get("meta", {}), "versionId": "1"}}


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def is_stated(path: Path) -> bool:
    """Whether a leaf is part of what was said; a function's and a coding's display are not."""
    return path[-1] not in FREE and path[:2] != ("meta", "versionId")


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | Decimal):
        return value + 1
    return f"{value}x"


def changed(resource: dict[str, Any], path: Path) -> dict[str, Any]:
    result = copy.deepcopy(resource)
    at: Any = result
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = other(at[path[-1]])
    return result


def without(resource: dict[str, Any], path: Path) -> dict[str, Any]:
    result = copy.deepcopy(resource)
    at: Any = result
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return result


@pytest.mark.parametrize("operation", OPERATIONS, ids=range(len(OPERATIONS)))
def test_faithful_ehr_differs_in_nothing(operation: Operation) -> None:
    assert ADAPTER.differences(operation, stored(operation), SITE) == ()


@given(st.data())
def test_any_leaf_that_changes_is_noticed(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(OPERATIONS))
    resource = stored(operation)
    path = data.draw(st.sampled_from([path for path in leaves(resource) if is_stated(path)]))
    assert ADAPTER.differences(operation, changed(resource, path), SITE), path


@given(st.data())
def test_any_leaf_that_is_dropped_is_noticed(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(OPERATIONS))
    resource = stored(operation)
    path = data.draw(st.sampled_from([path for path in leaves(resource) if is_stated(path)]))
    assert ADAPTER.differences(operation, without(resource, path), SITE), path


NEGATIONS: list[dict[str, Any]] = [
    {"status": "entered-in-error"},
    {"status": "not-taken"},
    {"modifierExtension": [{"url": "https://ehr.example/refuted", "valueBoolean": True}]},
    {"implicitRules": "https://ehr.example/rules"},
    {"dataAbsentReason": {"text": "not performed"}},
    {"_status": {"extension": [{"url": "x", "valueBoolean": True}]}},
    {"focus": [{"reference": "Patient/foetus"}]},
    {"note": [{"text": "not this patient"}]},
    {"statusReason": [{"text": "never taken"}]},
]


@pytest.mark.parametrize("addition", NEGATIONS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=range(len(OPERATIONS)))
def test_whatever_turns_the_statement_around_is_noticed(operation: Operation, addition: dict[str, Any]) -> None:
    assert ADAPTER.differences(operation, {**stored(operation), **addition}, SITE)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"subject": {"reference": "Patient/p2"}}, "subject"),
        ({"status": "preliminary"}, "status"),
        ({"valueQuantity": {"value": Decimal("72.51"), "unit": "kg"}}, "valueQuantity"),
        ({"effectiveDateTime": "2026-11-22T08:15:00-04:00"}, "effectiveDateTime"),
        ({"identifier": []}, "identifier"),
        ({"resourceType": "Condition"}, "resourceType"),
    ],
)
def test_difference_is_named_by_its_canonical_field(change: dict[str, Any], name: str) -> None:
    operation = OPERATIONS[0]
    assert name in ADAPTER.differences(operation, {**stored(operation), **change}, SITE)


@pytest.mark.parametrize(
    "change",
    [
        {
            "valueQuantity": {
                "value": Decimal("72.5"),
                "unit": "kg",
                "system": "http://unitsofmeasure.org",
                "code": "kg",
            }
        },
        {"effectiveDateTime": "2026-11-22T13:15:00.000Z"},
        {"subject": {"reference": "https://ehr.example/fhir/Patient/p1", "display": "Maria Lopez"}},
        {"text": {"status": "generated", "div": "<div/>"}},
        {"issued": "2026-11-22T13:16:00Z"},
        {"meta": {"versionId": "5", "source": "#x", "profile": ["https://ehr.example/p"]}},
    ],
)
def test_declared_normalisations_are_no_difference(change: dict[str, Any]) -> None:
    operation = OPERATIONS[0]
    assert ADAPTER.differences(operation, {**stored(operation), **change}, SITE) == ()


def test_ehr_may_add_identifiers_and_labels_and_take_none_away() -> None:
    operation = OPERATIONS[0]
    resource = stored(operation)
    more = {**resource, "identifier": [{"system": "x", "value": "1"}, *resource["identifier"]]}
    more["meta"] = {"security": [{"code": "R"}]}
    assert ADAPTER.differences(operation, more, SITE) == ()


def test_number_is_no_boolean() -> None:
    entry = {**FULL_ENTRY, "isOtc": True}
    (operation,) = ADAPTER.plan(command(entry), Surrounding(), SITE)
    resource = stored(operation)
    flag = next(item for item in resource["extension"] if item["url"].endswith("isOtc"))
    flag["valueBoolean"] = 1
    assert "isOtc" in ADAPTER.differences(operation, resource, SITE)


def test_type_that_nothing_is_mapped_to_is_projected_element_by_element() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "meta": {"versionId": "1"}, "birthDate": "1961-04-02"}
    assert ADAPTER.project(patient, SITE) == {"birthDate": "1961-04-02"}
