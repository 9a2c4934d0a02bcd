import dataclasses
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.observation import CORRECTED
from adapters.r4.validity import problems
from adapters.site import Site
from canonical import exact_json
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Fetched, Resource, Surrounding
from tests.adapters.commands import BLOOD_PRESSURE, COMMAND_ID, KG, MMHG, WEIGHT, command, loinc, number

BASE = "https://ehr.example/fhir"
SITE = Site(base_url=BASE)
TARGET = {"reference": "Observation/o1", "versionId": "3"}
SITTING = {"coding": [{"system": "http://snomed.info/sct", "code": "33586001"}], "text": "sitting"}

#: A reading with every field that one vital sign or another has.
FULL: dict[str, Any] = {
    **BLOOD_PRESSURE,
    "category": [{"text": "home readings"}],
    "issued": "2026-11-22T08:20:00-05:00",
    "performer": [{"reference": "Practitioner/n1", "display": "N. Ames"}],
    "performerRole": "nurse",
    "origin": "patientReported",
    "verifiedBy": {"reference": "Practitioner/n2"},
    "bodySite": {"text": "left upper arm"},
    "bodyPosition": SITTING,
    "method": {"text": "oscillometric"},
    "cuffSize": {"text": "large adult"},
    "device": {
        "type": {"text": "monitor"},
        "udiCarrier": {"deviceIdentifier": "0123", "carrierHRF": "(01)0123"},
        "serialNumber": "s-1",
        "manufacturer": "Acme",
        "modelNumber": "m-1",
        "patientOwned": True,
    },
    "state": "rest",
    "interpretation": [{"text": "normal"}],
    "referenceRange": [{"low": {"value": 90, **MMHG}, "text": "adult"}],
    "panel": {"system": "urn:panel", "value": "round-7"},
    "derivedFrom": [{"reference": "Observation/raw1"}],
    "note": [{"text": "after ten minutes of rest"}],
}
SATURATION: dict[str, Any] = {
    "type": "VitalReading",
    "operation": "record",
    "code": loinc("59408-5", "Oxygen saturation"),
    "valueQuantity": {"value": 93, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    "effectiveDateTime": "2026-11-22T08:15:00-05:00",
    "oxygen": {
        "flow": {"value": number("2.0"), "unit": "L/min", "system": "http://unitsofmeasure.org", "code": "L/min"},
        "concentration": {"value": 28, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    },
}


def built(action: dict[str, Any], current: Resource | None = None, **envelope: Any) -> dict[str, Any]:
    """What would leave for ``action``."""
    if current is not None:
        envelope.setdefault("target", TARGET)
    fetched = Fetched(resource=current, version="3") if current is not None else None
    (operation,) = ADAPTER.plan(command(action, **envelope), Surrounding(current=fetched), SITE)
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return resource


def in_chart(action: dict[str, Any] = WEIGHT, **over: Any) -> dict[str, Any]:
    """The Observation of ``action`` as an EHR would hold it, with things of its own."""
    own = {
        "id": "o1",
        "meta": {"versionId": "3", "lastUpdated": "2026-11-22T13:00:00Z", "source": "#a1"},
        "hasMember": [{"reference": "Observation/o9"}],
    }
    resource = built(action)
    flag = {"url": "https://ehr.example/flag", "valueBoolean": True}
    return {**resource, **own, "extension": [*resource.get("extension", []), flag], **over}


def act(operation: str, **fields: Any) -> dict[str, Any]:
    return {"type": "VitalReading", "operation": operation, **fields}


@pytest.mark.parametrize(
    "action", [WEIGHT, BLOOD_PRESSURE, FULL, SATURATION], ids=["weight", "pressure", "full", "SpO2"]
)
def test_every_field_of_a_reading_survives_into_the_chart_and_back(action: dict[str, Any]) -> None:
    resource = built(action)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(action) - {"type", "operation", "code"}:
        assert projection[name] == comparable(action[name], BASE), name
    assert {item["code"] for item in action["code"]["coding"]} <= {
        item["code"] for item in projection["code"]["coding"]
    }


def test_reading_is_final_of_the_right_patient_in_the_vital_signs() -> None:
    resource = built(WEIGHT, encounter={"reference": "Encounter/e1"})
    assert resource["status"] == "final"
    assert resource["subject"] == {"reference": "Patient/p1"}
    assert resource["encounter"] == {"reference": "Encounter/e1"}
    assert resource["category"][0]["coding"][0]["code"] == "vital-signs"
    assert resource["identifier"] == [{"system": "urn:fhir-writeback:command", "value": str(COMMAND_ID)}]


def test_decimals_and_times_leave_as_they_were_written() -> None:
    for text in ("72.50", "0.10", "1e-3", "70"):
        action = {**WEIGHT, "valueQuantity": {"value": number(text), **KG}}
        (operation,) = ADAPTER.plan(command(action), Surrounding(), SITE)
        assert f'"value":{text},'.encode() in operation.body
        assert b'"2026-11-22T08:15:00-05:00"' in operation.body


@pytest.mark.parametrize("code", ["59408-5", "2708-6"])
def test_saturation_has_both_codings_whichever_was_named(code: str) -> None:
    resource = built({**SATURATION, "code": loinc(code, "SpO2")})
    assert {item["code"] for item in resource["code"]["coding"]} == {"59408-5", "2708-6"}
    assert len(resource["code"]["coding"]) == 2


def test_room_air_is_said_and_no_concentration_made_up_for_it() -> None:
    resource = built({**SATURATION, "oxygen": {"roomAir": True}})
    assert [item.get("valueBoolean") for item in resource["component"]] == [True]
    assert ADAPTER.project(resource, SITE)["oxygen"] == {"roomAir": True}


def test_missing_measurement_says_why_and_states_no_value() -> None:
    reason = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-performed"}]
    }
    resource = built({**{k: v for k, v in WEIGHT.items() if k != "valueQuantity"}, "dataAbsentReason": reason})
    assert resource["dataAbsentReason"] == reason
    assert not [name for name in resource if name.startswith("value")]


def test_only_what_the_patient_reported_is_tagged_as_patient_supplied() -> None:
    tags = {
        origin: {tag["code"] for tag in built({**WEIGHT, "origin": origin})["meta"]["tag"]}
        for origin in ("patientReported", "deviceTransmitted", "clinicianMeasured")
    }
    assert "patient-supplied" in tags["patientReported"]
    assert "patient-supplied" not in tags["deviceTransmitted"] | tags["clinicianMeasured"]


def test_role_without_a_named_performer_is_kept_and_is_no_performer() -> None:
    action = {name: item for name, item in WEIGHT.items() if name != "performer"} | {"performerRole": "nurse"}
    projection = ADAPTER.project(built(action), SITE)
    assert projection["performerRole"] == "nurse"
    assert "performer" not in projection


def test_device_of_the_ehr_is_named_by_reference() -> None:
    resource = built({**WEIGHT, "device": {"reference": {"reference": "Device/d1"}}})
    assert resource["device"] == {"reference": "Device/d1"}
    assert "contained" not in resource


def test_labelled_reading_needs_an_ehr_that_keeps_labels() -> None:
    labels = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]
    with pytest.raises(NeedsPersonError) as caught:
        built(WEIGHT, securityLabel=labels)
    assert caught.value.kind == "security_label"
    keeping = Site(base_url=BASE, options={"keeps_security_labels": True})
    (operation,) = ADAPTER.plan(command(WEIGHT, securityLabel=labels), Surrounding(), keeping)
    assert exact_json.parse(operation.body)["meta"]["security"] == labels


def corrected(current: Resource, **fields: Any) -> dict[str, Any]:
    return built({**WEIGHT, "operation": "correct", **fields}, current)


def test_correction_changes_what_it_says_and_leaves_the_rest_of_the_chart_alone() -> None:
    before = in_chart()
    after = corrected(before, valueQuantity={"value": number("71.90"), **KG})
    assert after["status"] == "corrected"
    assert str(after["valueQuantity"]["value"]) == "71.90"
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"status", "valueQuantity", "identifier", "meta"}
    # Through which system the entry came before is not true of what we make of it.
    assert after["meta"] == {name: item for name, item in before["meta"].items() if name != "source"}
    assert after["identifier"] == [
        *before["identifier"],
        {"system": "urn:fhir-writeback:change", "value": str(COMMAND_ID)},
    ]


def test_latest_change_replaces_the_mark_of_an_earlier_one() -> None:
    foreign = {"system": "https://ehr.example/ids", "value": "77"}
    before = in_chart(identifier=[foreign, {"system": "urn:fhir-writeback:change", "value": "earlier"}])
    assert corrected(before)["identifier"] == [
        foreign,
        {"system": "urn:fhir-writeback:change", "value": str(COMMAND_ID)},
    ]


def test_corrected_value_takes_the_place_of_every_other_kind_of_value() -> None:
    absent = in_chart(dataAbsentReason={"text": "refused"})
    del absent["valueQuantity"]
    text = in_chart(valueString="72 kg")
    del text["valueQuantity"]
    for before in (absent, text):
        after = corrected(before)
        assert [name for name in after if name.startswith(("value", "dataAbsent"))] == ["valueQuantity"]


def test_corrected_time_takes_the_place_of_a_period() -> None:
    before = in_chart(effectivePeriod={"start": "2026-11-21", "end": "2026-11-22"})
    del before["effectiveDateTime"]
    assert "effectivePeriod" not in corrected(before)


def test_null_clears_and_absent_leaves_alone() -> None:
    before = in_chart({**WEIGHT, "bodyPosition": SITTING, "method": {"text": "standing scale"}})
    after = corrected(before, method=None)
    assert "method" not in after
    assert ADAPTER.project(after, SITE)["bodyPosition"] == comparable(SITTING, BASE)


def test_component_nobody_spoke_of_stays() -> None:
    mean = {"code": loinc("8478-0", "Mean"), "valueQuantity": {"value": 97, **MMHG}}
    before = in_chart({**BLOOD_PRESSURE, "cuffSize": {"text": "adult"}})
    before["component"].append(mean)
    after = built({**BLOOD_PRESSURE, "operation": "correct"}, before)
    assert mean in after["component"]
    assert len(after["component"]) == 4
    assert ADAPTER.project(after, SITE)["cuffSize"] == {"text": "adult"}


def test_notes_are_added_and_never_removed() -> None:
    before = in_chart(note=[{"text": "by Dr. Ames"}])
    assert corrected(before, note=[{"text": "scale was off"}])["note"] == [
        {"text": "by Dr. Ames"},
        {"text": "scale was off"},
    ]


def test_generated_narrative_goes_and_a_written_one_stays() -> None:
    generated = {"status": "generated", "div": "<div>72.50 kg</div>"}
    written = {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml">seen</div>'}
    assert "text" not in corrected(in_chart(text=generated))
    assert corrected(in_chart(text=written))["text"] == written


@pytest.mark.parametrize("status", ["preliminary", "registered", "unknown", "final", "amended", "corrected"])
def test_correction_never_moves_a_status_backwards(status: str) -> None:
    after = corrected(in_chart(status=status))["status"]
    assert after == CORRECTED[status]
    assert (after == "corrected") == (status in {"final", "amended", "corrected"})


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", None, "bogus"])
@pytest.mark.parametrize("operation", ["correct", "retract"])
def test_ended_reading_is_not_revived(status: str | None, operation: str) -> None:
    fields = {} if operation == "correct" else {"retractReason": "again"}
    action = {**WEIGHT, "operation": "correct"} if operation == "correct" else act("retract", **fields)
    with pytest.raises(NeedsPersonError) as caught:
        built(action, in_chart(status=status))
    revives = status == "entered-in-error" and operation == "correct"
    assert caught.value.kind == ("status_backwards" if revives else "status_ended")


def test_retraction_changes_the_status_notes_the_reason_and_erases_nothing() -> None:
    before = in_chart(FULL)
    after = built(act("retract", retractReason="wrong patient on the scale"), before)
    assert after["status"] == "entered-in-error"
    assert after["note"] == [*before["note"], {"text": "wrong patient on the scale"}]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"status", "note", "identifier", "meta"}


def test_another_measurement_than_the_action_names_is_not_touched() -> None:
    for action in ({**WEIGHT, "operation": "correct"}, act("retract", code=WEIGHT["code"], retractReason="x")):
        with pytest.raises(NeedsPersonError) as caught:
            built(action, in_chart(BLOOD_PRESSURE))
        assert caught.value.kind == "other_measurement"


def test_content_that_a_retraction_would_drop_is_refused() -> None:
    with pytest.raises(UnsupportedActionError, match="valueQuantity"):
        built(act("retract", retractReason="x", valueQuantity={"value": 1, **KG}), in_chart())


def test_labels_of_a_correction_join_those_of_the_chart() -> None:
    theirs = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    ours = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
    before = in_chart(meta={"versionId": "3", "security": [theirs]})
    keeping = Site(base_url=BASE, options={"keeps_security_labels": True})
    labelled = command({**WEIGHT, "operation": "correct"}, target=TARGET, securityLabel=[ours, theirs])
    (operation,) = ADAPTER.plan(labelled, Surrounding(current=Fetched(resource=before, version="3")), keeping)
    assert exact_json.parse(operation.body)["meta"] == {"versionId": "3", "security": [theirs, ours]}


def test_ehr_without_a_handler_says_that_it_cannot_express_the_action() -> None:
    poorer = dataclasses.replace(ADAPTER, handlers={})  # type: ignore[type-var]
    with pytest.raises(UnsupportedActionError, match=r"VitalReading\.record"):
        poorer.plan(command(WEIGHT), Surrounding(), SITE)
