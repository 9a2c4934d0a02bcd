"""No operation is planned whose resource is not valid FHIR: what a mapping gets wrong never leaves."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.adapter import R4Adapter
from adapters.r4.change import Handler
from adapters.site import Site
from canonical.errors import InvalidPayloadError
from canonical.ports import Fetched, Surrounding
from tests.adapters.commands import WEIGHT, command

SITE = Site(base_url="https://ehr.example/fhir")
IN_CHART: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {"versionId": "1"},
    "status": "final",
    "code": WEIGHT["code"],
    "subject": {"reference": "Patient/p1"},
}
WRONG = [{"status": "sure"}, {"code": None}, {"valueQuantity": {"value": 1, "comparator": "~"}}]


def mapping(built: dict[str, Any]) -> R4Adapter:
    """The standard EHR with a mapping that builds ``built``, whatever the action says."""
    assert isinstance(ADAPTER, R4Adapter)
    build = {name: item for name, item in built.items() if item is not None}
    record = Handler(resource_type="Observation", build=lambda _change: dict(build), creates=True)
    correct = Handler(resource_type="Observation", build=lambda _change: dict(build))
    return replace(ADAPTER, handlers={("VitalReading", "record"): record, ("VitalReading", "correct"): correct})


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_create_is_not_planned(wrong: dict[str, Any]) -> None:
    resource = {name: item for name, item in IN_CHART.items() if name not in {"id", "meta"}}
    assert mapping(resource).plan(command(WEIGHT), Surrounding(), SITE)
    with pytest.raises(InvalidPayloadError):
        mapping({**resource, **wrong}).plan(command(WEIGHT), Surrounding(), SITE)


@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_update_is_not_planned(wrong: dict[str, Any]) -> None:
    correction = command({**WEIGHT, "operation": "correct"}, target={"reference": "Observation/o1", "versionId": "1"})
    chart = Fetched(resource=IN_CHART, version="1")
    assert mapping(IN_CHART).plan(correction, Surrounding(current=chart), SITE)
    with pytest.raises(InvalidPayloadError):
        mapping({**IN_CHART, **wrong}).plan(correction, Surrounding(current=chart), SITE)
