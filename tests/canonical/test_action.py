from __future__ import annotations

import json
import pkgutil
from types import SimpleNamespace

import pytest

import canonical.actions
from canonical import action as action_module
from canonical.action import action_specs, spec_for
from canonical.errors import ConfigurationError, RefusedError
from canonical.idempotency import fingerprint
from tests.factories import EnvelopeFactory, medication_change_json, vital_reading_json

SPECS = list(action_specs().values())


def test_every_module_under_actions_is_an_action() -> None:
    modules = [module.name for module in pkgutil.iter_modules(canonical.actions.__path__)]
    assert len(action_specs()) == len(modules)
    assert {"VitalReading", "MedicationChange"} <= set(action_specs())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.type)
def test_an_action_declares_each_operation_that_its_model_takes(spec: action_module.ActionSpec) -> None:
    operations = json.loads(json.dumps(spec.model.model_json_schema()))["properties"]["operation"]["enum"]
    assert sorted(operations) == sorted(spec.operations)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.type)
def test_an_action_s_schema_is_in_fhir_s_spelling_and_closed(spec: action_module.ActionSpec) -> None:
    schema = spec.model.model_json_schema(by_alias=True)
    assert schema["additionalProperties"] is False
    assert not [name for name in schema["properties"] if "_" in name]
    assert schema["properties"]["type"]["const"] == spec.type


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.type)
def test_every_clinical_field_belongs_to_at_most_one_group(spec: action_module.ActionSpec) -> None:
    fields = [field for group in spec.field_groups for field in group.fields]
    assert len(fields) == len(set(fields))
    # The statuses follow from the operation: the chart has them, an app does not send them.
    known = {field.alias for field in spec.model.model_fields.values()} | {
        "status",
        "clinicalStatus",
        "verificationStatus",
    }
    assert set(fields) <= known


def test_drug_dose_route_and_timing_are_one_group_that_no_machine_merges() -> None:
    groups = {field: group for group in action_specs()["MedicationChange"].field_groups for field in group.fields}
    assert groups["medication"] is groups["dosage"] is groups["strength"] is groups["form"]
    assert groups["dosage"].policy == "review"


def test_value_unit_and_method_are_one_group() -> None:
    groups = {field: group for group in action_specs()["VitalReading"].field_groups for field in group.fields}
    assert groups["valueQuantity"] is groups["method"] is groups["component"] is groups["code"]


def test_an_unknown_action_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(RefusedError) as raised:
        spec_for({"type": "Prescription"})
    assert raised.value.code == "unknown-action"
    assert "MedicationChange" in str(raised.value)
    assert "VitalReading" in str(raised.value)


@pytest.mark.parametrize("name", [None, 3, ["VitalReading"], {}], ids=repr)
def test_a_type_that_is_no_name_is_an_unknown_action(name: object) -> None:
    with pytest.raises(RefusedError):
        spec_for({"type": name})


def test_a_module_without_a_specification_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkgutil, "iter_modules", lambda _path: [SimpleNamespace(name="__init__")])
    with pytest.raises(ConfigurationError, match="SPEC"):
        action_specs.__wrapped__()


def test_two_modules_of_one_name_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [SimpleNamespace(name="vital_reading"), SimpleNamespace(name="vital_reading")]
    monkeypatch.setattr(pkgutil, "iter_modules", lambda _path: twice)
    with pytest.raises(ConfigurationError, match="vital_reading"):
        action_specs.__wrapped__()


def test_only_a_first_record_creates_and_only_a_retraction_takes_back() -> None:
    creates = {(spec.type, name) for spec in SPECS for name, rule in spec.operations.items() if rule.creates}
    takes_back = {(spec.type, name) for spec in SPECS for name, rule in spec.operations.items() if rule.takes_back}
    assert creates >= {
        ("VitalReading", "record"),
        ("MedicationChange", "start"),
        ("AllergyUpdate", "record"),
        ("AllergyUpdate", "assertNoneKnown"),
        ("ProblemUpdate", "add"),
        ("CareMessage", "send"),
        ("CareTask", "create"),
    }
    assert takes_back >= {
        ("VitalReading", "retract"),
        ("MedicationChange", "retract"),
        ("AllergyUpdate", "retract"),
        ("ProblemUpdate", "retract"),
        ("CareMessage", "retract"),
        ("CareTask", "cancel"),
    }


def test_a_medication_is_changed_only_by_somebody_who_saw_it() -> None:
    rules = action_specs()["MedicationChange"].operations
    assert all(rule.needs_seen for name, rule in rules.items() if name != "start")


def test_a_parsed_action_finds_its_specification_and_rule() -> None:
    envelope = EnvelopeFactory.create(action=medication_change_json("stop"))
    spec = spec_for(envelope.action)
    assert spec.type == "MedicationChange"
    assert spec.rule(envelope.action) is spec.operations["stop"]
    assert len(fingerprint(envelope)) == len(fingerprint(EnvelopeFactory.create(action=vital_reading_json())))
