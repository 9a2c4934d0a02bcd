from types import ModuleType
from typing import Any

import pytest

from adapters import adapters, collect, open_ehr
from adapters.fhir_r4 import ADAPTER
from canonical.action import action_specs
from canonical.capabilities import support_within, within_contract
from canonical.errors import ConfigurationError
from canonical.ports import Surrounding
from tests.adapters.chart import opened, settings


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


def test_every_file_that_declares_an_adapter_is_found() -> None:
    assert adapters()["fhir_r4"] is ADAPTER
    assert all(item.key == key for key, item in adapters().items())


def test_two_files_may_not_claim_one_key() -> None:
    with pytest.raises(ConfigurationError, match="fhir_r4"):
        collect([module("one", ADAPTER=ADAPTER), module("two", ADAPTER=ADAPTER)])


def test_adapter_that_lacks_a_method_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="half"):
        collect([module("half", ADAPTER=module("x", key="half", mapping_version="1", capabilities=None))])


def test_file_without_an_adapter_is_no_ehr() -> None:
    assert collect([module("shared")]) == {}


def test_unknown_adapter_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="fhir_r4"):
        open_ehr(settings("http://127.0.0.1:1", adapter="unheard_of"))


def test_systems_of_our_marks_can_be_the_hospitals_own() -> None:
    from tests.adapters.commands import COMMAND_ID, WEIGHT, command

    ehr = open_ehr(settings("http://127.0.0.1:1"), command_system="https://hospital.example/writeback")
    (operation,) = ehr.plan(command(WEIGHT), Surrounding())
    ehr.close()
    assert operation.mark == f"https://hospital.example/writeback|{COMMAND_ID}"
    assert operation.mark.split("|")[0].encode() in operation.body


@pytest.mark.parametrize("key", sorted(adapters()))
def test_adapter_declares_exactly_what_it_can_build(key: str) -> None:
    adapter = adapters()[key]
    known = {(spec.type, operation) for spec in action_specs().values() for operation in spec.operations}
    assert adapter.capabilities.actions <= known
    assert adapter.mapping_version


@pytest.mark.parametrize("key", sorted(adapters()))
@pytest.mark.parametrize("agreed", [True, False])
def test_one_operation_is_taken_as_the_whole_contract_says(key: str, *, agreed: bool) -> None:
    declared = adapters()[key].capabilities
    options = {write.flag: agreed for write in declared.writes.values() if write.flag}
    contract = within_contract(declared, options)
    for action, operation in [*declared.supports, ("CareTask", "no such operation")]:
        assert support_within(declared, options, action, operation) == contract.support(action, operation)


def test_standard_ehr_expresses_every_operation_of_every_action() -> None:
    known = {(spec.type, operation) for spec in action_specs().values() for operation in spec.operations}
    assert ADAPTER.capabilities.actions == known


def test_open_ehr_shows_what_its_adapter_declares() -> None:
    with opened("http://127.0.0.1:1") as ehr:
        assert (ehr.key, ehr.mapping_version) == ("fhir_r4", ADAPTER.mapping_version)
        assert ehr.capabilities == ADAPTER.capabilities
        assert ehr.version_of({"meta": {"versionId": "7"}}) == "7"
        assert ehr.project({"resourceType": "Patient", "birthDate": "1961"}) == {"birthDate": "1961"}
