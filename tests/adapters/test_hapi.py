"""Open FHIR servers as dialects of the standard EHR: what differs is a table, and the connection says which."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.adapter import Adapter
from adapters.fhir_r4 import ADAPTER
from adapters.r4.dialects import dialects
from adapters.wire import Answer
from canonical.errors import ConfigurationError
from canonical.outcome import Outcome
from canonical.ports import Interaction, Operation
from tests.adapters.chart import opened
from tests.adapters.commands import NOW, WEIGHT, command
from tests.adapters.vendors import around, came_to, site

UUID = "8a1d5ac4-53f9-4a51-a51e-7d3c0a0f7d11"
UPDATE = Operation(
    interaction=Interaction.UPDATE,
    resource_type="Observation",
    reference="Observation/o1",
    body=b"{}",
    mark="urn:fhir-writeback:change|1",
    if_match=UUID,
    mapping_version="x",
)


def dialect(name: str) -> Adapter:
    return ADAPTER.connected(site(dialect=name))


def create(adapter: Adapter) -> Operation:
    (operation,) = adapter.plan(command(WEIGHT), around(), site())
    return operation


@pytest.mark.parametrize(
    ("name", "stale", "other", "lag"),
    [
        ("hapi", 409, (412, Outcome.UNKNOWN), 60),
        ("medplum", 412, (409, Outcome.CONFLICT), 0),
        ("standard", 412, (409, Outcome.CONFLICT), 60),
    ],
)
def test_dialect_says_what_stale_is_and_how_long_a_search_lags(
    name: str, stale: int, other: tuple[int, Outcome], lag: int
) -> None:
    adapter = dialect(name)
    assert came_to(adapter, UPDATE, stale) is Outcome.CONFLICT
    assert came_to(adapter, UPDATE, other[0]) is other[1]
    assert str(stale) in adapter.capabilities.stale
    assert adapter.capabilities.search_lag == timedelta(seconds=lag)


@pytest.mark.parametrize("name", ["standard", *dialects()])
def test_every_dialect_is_sent_the_same_with_the_same_guards(name: str) -> None:
    adapter = dialect(name)
    assert create(adapter) == create(ADAPTER)
    assert adapter.request(UPDATE, site()).headers["If-Match"] == f'W/"{UUID}"'
    assert create(adapter).if_none_exist is not None
    assert adapter.capabilities.actions == ADAPTER.capabilities.actions


@pytest.mark.parametrize(
    ("name", "headers", "version"),
    [
        ("medplum", {"location": "https://x/fhir/R4/Observation/o1", "etag": f'W/"{UUID}"'}, UUID),
        ("hapi", {"location": "https://x/fhir/Observation/o1/_history/1", "etag": 'W/"1"'}, "1"),
    ],
)
def test_created_is_found_in_either_shape(name: str, headers: dict[str, str], version: str) -> None:
    adapter = dialect(name)
    settled = adapter.classify(create(adapter), Answer(status=201, headers=headers), NOW)
    assert (settled.outcome, settled.reference, settled.version) == (Outcome.APPLIED, "Observation/o1", version)


def test_several_matches_of_a_conditional_create_are_for_the_probe() -> None:
    for name in dialects():
        assert came_to(dialect(name), create(ADAPTER), 412) is Outcome.UNKNOWN


def test_limits_of_the_hosted_server_are_told_with_their_source() -> None:
    limits: Any = dialect("medplum").capabilities.limits
    assert limits
    assert all(limit.source for limit in limits)


def test_connection_is_opened_in_its_dialect_and_an_unknown_one_is_named() -> None:
    with opened("http://127.0.0.1:1", options={"dialect": "hapi"}) as ehr:
        assert ehr.capabilities.stale.startswith("409")
    with pytest.raises(ConfigurationError, match="hapi"), opened("http://127.0.0.1:1", options={"dialect": "hapy"}):
        pass
