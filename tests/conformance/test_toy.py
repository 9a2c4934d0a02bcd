"""An adapter that nobody listed anywhere, in one module: the suite runs on it as it is, before it has tests of its own."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import pytest

from adapters import collect
from adapters.adapter import Adapter, Request
from adapters.fhir_r4 import CAPABILITIES, VIEWS, WRITES
from adapters.r4 import observation
from adapters.r4.adapter import R4Adapter
from adapters.r4.support import refused_but, supported
from adapters.site import Site
from canonical.action import action_specs
from canonical.capabilities import Way
from canonical.ports import Operation
from tests.conformance import cell, examples, faults
from tests.conformance.connection import listed
from tests.conformance.desk import Desk, Desks
from tests.conformance.page import matrix

KEY = "toy"
_HANDLERS = observation.HANDLERS
_TOY = R4Adapter(
    key=KEY,
    mapping_version="toy/1",
    capabilities=dataclasses.replace(
        CAPABILITIES,
        supports={
            **supported(_HANDLERS, WRITES),
            **refused_but(tuple(action_specs()), _HANDLERS, "The toy takes vital signs and nothing else."),
        },
    ),
    handlers=_HANDLERS,
    views=VIEWS,
)


def toy() -> Adapter:
    """Return the adapter as a file under ``adapters/`` would be found."""
    module = ModuleType("adapters.toy")
    module.__dict__["ADAPTER"] = _TOY
    return collect([module])[KEY]


@pytest.fixture
def desk(desks: Desks) -> Desk:
    assert KEY not in listed()
    return desks.at(toy())


def test_the_matrix_has_a_row_for_it_without_an_untested_cell(desk: Desk) -> None:
    found = {(KEY, *operation): cell.run(desk, *operation) for operation in examples.operations()}
    ways = {operation: way for (_, action, operation), way in found.items() if action == "VitalReading"}
    assert set(ways.values()) == {Way.DIRECT}
    assert {way for (_, action, _), way in found.items() if action != "VitalReading"} == {Way.REFUSED}
    *_, row = matrix(found, [KEY]).splitlines()
    assert row.startswith("| `toy` |")
    assert f"{len(ways)} direct" in row


def test_every_fault_befalls_it(desks: Desks, desk: Desk) -> None:
    played = set()
    for scenario, action, operation in faults.cases(desk.capabilities):
        faults.play(desks.at(desk.adapter), scenario, action, operation)
        played.add(scenario.name)
    assert played == {scenario.name for scenario in faults.SCENARIOS}


class _SaysOtherwise(R4Adapter):
    """What no adapter may do: send another number than it was told."""

    def request(self, operation: Operation, site: Site) -> Request:
        request = super().request(operation, site)
        body = (request.body or b"").replace(b"72.50", b"73.50")
        return dataclasses.replace(request, body=body)


def test_an_adapter_whose_entry_does_not_say_what_was_meant_fails_by_its_cell(desks: Desks) -> None:
    fields = {item.name: getattr(_TOY, item.name) for item in dataclasses.fields(_TOY)}
    with pytest.raises(AssertionError, match="read-back-differs"):
        cell.run(desks.at(_SaysOtherwise(**fields)), "VitalReading", "record")


def test_an_adapter_that_takes_more_than_its_ehr_fails_by_its_cell(desks: Desks) -> None:
    """It declares what the EHR refuses: that it was written is seen in the chart, not in the declaration."""
    desk = desks.at(toy())
    desk.sandbox.settings(withheld=["Observation.create"])
    try:
        with pytest.raises(AssertionError, match="not_supported"):
            cell.run(desk, "VitalReading", "record")
    finally:
        desk.sandbox.settings(withheld=[])
