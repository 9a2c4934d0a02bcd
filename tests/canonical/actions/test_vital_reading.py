from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from canonical import exact_json
from canonical.action import spec_for
from canonical.vital_signs import vital_signs
from tests.canonical.checked import confirmations, findings, marks, parsed, refusals
from tests.canonical.readings import blood_pressure, reading
from tests.factories import (
    ABSENT,
    DATA_ABSENT_REASON,
    NOW,
    USUAL,
    Json,
    component_json,
    concept,
    quantity,
    vital_code,
    vital_reading_json,
)

READINGS = [key for key, vital in vital_signs().items() if not vital.part_only]
PARTS = [key for key, vital in vital_signs().items() if vital.part_only]
NOT_PERFORMED = concept(DATA_ABSENT_REASON, "not-performed", "not done")
VALUE = "/action/valueQuantity/value"


@pytest.mark.parametrize("vital", READINGS)
@pytest.mark.parametrize("operation", ["record", "correct"])
def test_a_usual_reading_of_every_us_core_vital_sign_is_accepted_silently(vital: str, operation: str) -> None:
    action = vital_reading_json(vital, operation)
    assert refusals(action) == {}
    assert confirmations(action) == {}
    assert findings(action) == []
    assert marks(action) == ()


def test_every_us_core_vital_sign_is_there() -> None:
    codes = {code for vital in vital_signs().values() for code in vital.loinc}
    assert {
        *("85354-9", "8480-6", "8462-4", "96607-7", "96608-5", "96609-3", "8867-4", "9279-1", "8310-5", "29463-7"),
        *("8302-2", "9843-4", "39156-5", "59408-5", "2708-6", "3151-8", "3150-0", "59576-9", "77606-2", "8289-1"),
    } <= codes


def test_a_reading_with_everything_on_it_is_accepted() -> None:
    action = vital_reading_json(
        "oxygen-saturation",
        category=[concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "Vital Signs")],
        issued="2026-03-10T14:35:00.250Z",
        performer=[{"reference": "Practitioner/n17"}],
        verifiedBy={"identifier": {"value": "n-18"}},
        bodySite=concept("http://snomed.info/sct", "7569003", "finger"),
        bodyPosition=concept("http://snomed.info/sct", "33586001", "sitting"),
        method=concept("http://snomed.info/sct", "129265001", "pulse oximetry"),
        device={"type": {"text": "oximeter"}, "udiCarrier": {"carrierHRF": "(01)0"}, "patientOwned": True},
        oxygen={"flow": quantity("2.0", "L/min", "L/min"), "concentration": quantity("28", "%", "%")},
        state="rest",
        interpretation=[{"text": "low"}],
        referenceRange=[{"low": quantity("92", "%", "%"), "text": "as the device prints it"}],
        panel={"system": "urn:round", "value": "morning-7"},
        derivedFrom=[{"reference": "Observation/o1"}],
        note=[{"text": "cold hands", "time": "2026-03-10T14:32:00Z", "authorString": "n-17"}],
    )
    assert refusals(action) == {}


def test_an_interpretation_is_passed_on_and_never_computed() -> None:
    given = parsed(reading("heart-rate", "190", interpretation=[{"text": "as sent"}])).action.as_json()
    assert given["interpretation"] == [{"text": "as sent"}]
    assert "interpretation" not in parsed(reading("heart-rate", "190")).action.as_json()


MISSING: list[tuple[str, Json, dict[str, str]]] = [
    ("code", vital_reading_json(code=ABSENT), {"/action/code": "required"}),
    ("time", vital_reading_json(effectiveDateTime=ABSENT), {"/action/effectiveDateTime": "required"}),
    ("value", vital_reading_json(valueQuantity=ABSENT), {"/action/valueQuantity": "required"}),
    ("number", vital_reading_json(valueQuantity={"unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}),
     {VALUE: "required"}),
    ("unit code", vital_reading_json(valueQuantity=quantity("72.50", "kg")),
     {"/action/valueQuantity/system": "required", "/action/valueQuantity/code": "required"}),
    ("unit text",
     vital_reading_json(valueQuantity={"value": 72, "system": "http://unitsofmeasure.org", "code": "kg"}),
     {"/action/valueQuantity/unit": "required"}),
    ("components", vital_reading_json("blood-pressure", component=ABSENT), {"/action/component": "component-missing"}),
    ("diastolic", vital_reading_json("blood-pressure", component=[component_json("systolic")]),
     {"/action/component": "component-missing"}),
    ("number of a component",
     vital_reading_json("blood-pressure", component=[
         component_json("systolic", valueQuantity=ABSENT), component_json("diastolic")]),
     {"/action/component/0/valueQuantity": "required"}),
    ("reason to retract", vital_reading_json(operation="retract", retractReason=ABSENT), {"/action/retractReason": "required"}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "wrong"), [row[1:] for row in MISSING], ids=[row[0] for row in MISSING])
def test_what_is_missing_is_named(action: Json, wrong: dict[str, str]) -> None:
    assert refusals(action) == wrong


WRONG: list[tuple[str, Json, dict[str, str]]] = [
    ("status", vital_reading_json(status="final"), {"/action/status": "extra-forbidden"}),
    ("snake case", vital_reading_json(body_site={"text": "arm"}), {"/action/body_site": "extra-forbidden"}),
    ("naive time", vital_reading_json(effectiveDateTime="2026-03-10T10:30:00"), {"/action/effectiveDateTime": "clinical-time"}),
    ("number as text", vital_reading_json(valueQuantity=quantity("72.50", "kg", "kg") | {"value": "72.50"}),
     {VALUE: "decimal-number"}),
    ("operation", vital_reading_json(operation="correct") | {"operation": "amend"}, {"/action/operation": "literal-error"}),
    ("two times", vital_reading_json(effectivePeriod={"start": "2026-03-10", "end": "2026-03-10"}),
     {"/action/effectiveDateTime": "required"}),
    ("a month", vital_reading_json(effectiveDateTime="2026-03"), {"/action/effectiveDateTime": "time-precision"}),
    ("an open period", vital_reading_json(effectiveDateTime=ABSENT, effectivePeriod={"start": "2026-03-09"}),
     {"/action/effectivePeriod/end": "time-precision"}),
    ("value and reason", vital_reading_json(dataAbsentReason=NOT_PERFORMED), {"/action/dataAbsentReason": "value-and-reason"}),
    ("a reason of no list", vital_reading_json(valueQuantity=ABSENT, dataAbsentReason=concept(DATA_ABSENT_REASON, "lazy", "x")),
     {"/action/dataAbsentReason": "unknown-code"}),
    ("a code of no vital sign", vital_reading_json(code=concept("http://loinc.org", "2345-7", "Glucose")),
     {"/action/code": "unknown-vital"}),
    ("a code of another system", vital_reading_json(code=concept("http://snomed.info/sct", "29463-7", "Weight")),
     {"/action/code": "unknown-vital"}),
    ("two vital signs in one code",
     vital_reading_json(code={"coding": vital_code("body-weight")["coding"] + vital_code("body-height")["coding"]}),
     {"/action/code": "code-contradiction"}),
    ("a component of another vital", vital_reading_json("blood-pressure", component=[
        component_json("systolic"), component_json("diastolic"), component_json("heart-rate")]),
     {"/action/component/2/code": "unknown-component"}),
    ("a component twice", vital_reading_json("blood-pressure", component=[
        component_json("systolic"), component_json("diastolic"), component_json("systolic")]),
     {"/action/component/2/code": "component-twice"}),
    ("a value beside the components", vital_reading_json("blood-pressure", valueQuantity=quantity("118", "mmHg", "mm[Hg]")),
     {"/action/valueQuantity": "stated-in-components"}),
    ("a cuff on a weight", vital_reading_json(cuffSize={"text": "large"}), {"/action/cuffSize": "not-for-this-vital"}),
    ("oxygen on a pulse", vital_reading_json("heart-rate", oxygen={"roomAir": True}), {"/action/oxygen": "not-for-this-vital"}),
    ("an estimated pulse", vital_reading_json("heart-rate", howObtained="estimated"),
     {"/action/howObtained": "not-for-this-vital"}),
    ("room air and a flow",
     vital_reading_json("oxygen-saturation", oxygen={"roomAir": True, "flow": quantity("2", "L/min", "L/min")}),
     {"/action/oxygen": "oxygen-contradiction"}),
    ("oxygen that says nothing", vital_reading_json("oxygen-saturation", oxygen={"roomAir": False}),
     {"/action/oxygen": "oxygen-contradiction"}),
    ("a flow in another unit", vital_reading_json("oxygen-saturation", oxygen={"flow": quantity("2", "mL/min", "mL/min")}),
     {"/action/oxygen/flow/code": "unit-not-allowed"}),
    ("a reason to retract on a record", vital_reading_json(retractReason="x"),
     {"/action/retractReason": "not-for-this-operation"}),
    ("a value on a retraction", vital_reading_json(operation="retract", valueQuantity=quantity("1", "kg", "kg")),
     {"/action/valueQuantity": "not-for-this-operation"}),
    ("null on a record", vital_reading_json(bodySite=None), {"/action/bodySite": "not-clearable"}),
    ("null where nothing may be cleared", vital_reading_json(operation="correct", note=None), {"/action/note": "not-clearable"}),
    ("null for a value", vital_reading_json(operation="correct", valueQuantity=None),
     {"/action/valueQuantity": "required"}),
    ("empty list", vital_reading_json(note=[]), {"/action/note": "empty-list"}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "wrong"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_named(action: Json, wrong: dict[str, str]) -> None:
    assert refusals(action) == wrong


@pytest.mark.parametrize("part", PARTS)
def test_a_component_is_never_a_reading_of_its_own(part: str) -> None:
    action = vital_reading_json("heart-rate", code=vital_code(part), valueQuantity=quantity(*USUAL[part]))
    assert refusals(action)["/action/code"] == "not-a-reading"


def test_a_missing_measurement_says_why() -> None:
    for vital in ("heart-rate", "body-mass-index"):
        absent = vital_reading_json(vital, valueQuantity=ABSENT, component=ABSENT, dataAbsentReason=NOT_PERFORMED)
        assert refusals(absent) == {}


def test_half_a_blood_pressure_says_why() -> None:
    half = component_json("diastolic", valueQuantity=ABSENT, dataAbsentReason=NOT_PERFORMED)
    action = vital_reading_json("blood-pressure", component=[component_json("systolic"), half])
    assert refusals(action) == {}


def test_a_mean_pressure_may_ride_along() -> None:
    parts = [component_json(part) for part in ("systolic", "diastolic", "mean-blood-pressure")]
    assert refusals(vital_reading_json("blood-pressure", component=parts)) == {}


@pytest.mark.parametrize(("unit", "code"), [("lb", "[lb_av]"), ("g", "g"), ("kg", "kg")])
def test_each_allowed_unit_is_taken_as_stated(unit: str, code: str) -> None:
    value = {"[lb_av]": "159.84", "g": "72500", "kg": "72.50"}[code]
    action = vital_reading_json(valueQuantity=quantity(value, unit, code))
    assert refusals(action) == {}
    assert f'"value":{value},"unit":"{unit}"' in exact_json.dumps(parsed(action).action.as_json())


@pytest.mark.parametrize(("vital", "code"), [
    ("body-weight", "[oz_av]"), ("body-temperature", "K"), ("heart-rate", "Hz"), ("systolic", "kPa"), ("body-height", "m"),
    ("body-weight", "KG"),
])  # fmt: skip
def test_another_unit_is_refused_and_the_allowed_ones_are_named(vital: str, code: str) -> None:
    stated = quantity("72", code, code)
    action = vital_reading_json(vital, valueQuantity=stated) if vital != "systolic" else blood_pressure("118", "76")
    pointer = "/action/valueQuantity/code"
    if vital == "systolic":
        action["component"][0]["valueQuantity"] = stated
        pointer = "/action/component/0/valueQuantity/code"
    assert refusals(action) == {pointer: "unit-not-allowed"}
    envelope = parsed(action)
    detail = spec_for(envelope.action).check(envelope, NOW)[0].detail
    assert all(unit in detail for unit in vital_signs()[vital].units)


@pytest.mark.parametrize(("vital", "unit", "code"), [
    ("body-weight", "lb", "kg"), ("body-weight", "Kilograms", "[lb_av]"), ("body-temperature", "°F", "Cel"),
    ("body-height", "inches", "cm"), ("body-temperature", "C", "[degF]"),
])  # fmt: skip
def test_a_unit_for_people_that_is_another_one_than_the_code_is_refused(vital: str, unit: str, code: str) -> None:
    assert refusals(vital_reading_json(vital, valueQuantity=quantity("70", unit, code))) == {
        "/action/valueQuantity/unit": "unit-contradiction"
    }


FIVE = NOW + timedelta(minutes=5)


@pytest.mark.parametrize(("over", "pointer"), [
    ({"effectiveDateTime": "2026-03-10T15:05:01Z"}, "effectiveDateTime"),
    ({"effectiveDateTime": "2026-03-12"}, "effectiveDateTime"),
    ({"issued": "2026-03-10T15:06:00Z"}, "issued"),
    ({"effectiveDateTime": ABSENT, "effectivePeriod": {"start": "2026-03-10", "end": "2026-03-13"}}, "effectivePeriod/end"),
    ({"note": [{"text": "x", "time": "2027"}]}, "note/0/time"),
    ({"confirmed": {"by": {"value": "n"}, "when": "2026-03-10T15:05:01Z"}}, "confirmed/when"),
], ids=str)  # fmt: skip
def test_what_lies_more_than_five_minutes_ahead_is_refused(over: Json, pointer: str) -> None:
    assert refusals(vital_reading_json(**over)) == {f"/action/{pointer}": "future-time"}


def test_five_minutes_of_clock_skew_pass() -> None:
    assert refusals(vital_reading_json(effectiveDateTime="2026-03-10T15:05:00Z")) == {}
    assert refusals(vital_reading_json(effectiveDateTime="2026-03-11T05:04:59+14:00")) == {}
    assert refusals(vital_reading_json(effectiveDateTime="2026-03-10T05:04:59-10:00")) == {}


def test_a_reading_before_birth_is_refused() -> None:
    action = vital_reading_json(effectiveDateTime="1961-03-30")
    assert refusals(action) == {"/action/effectiveDateTime": "before-birth"}
    assert "/action/effectiveDateTime" not in refusals(vital_reading_json(effectiveDateTime="1961-04-02"))


def test_a_late_arrival_keeps_its_time_and_is_marked() -> None:
    action = vital_reading_json()
    assert marks(action, now=NOW) == ()
    late = datetime(2026, 3, 11, 14, 30, 2, tzinfo=UTC)
    assert marks(action, now=late) == ("late",)
    assert refusals(action, now=late) == {}


def test_a_correction_or_retraction_names_an_observation() -> None:
    for operation in ("correct", "retract"):
        target = {"reference": "Condition/c1", "versionId": "1"}
        assert refusals(vital_reading_json(operation=operation), target=target) == {"/target/reference": "target-type"}


def test_a_retraction_needs_only_its_target_and_a_reason() -> None:
    assert refusals(vital_reading_json(operation="retract")) == {}
    assert refusals(vital_reading_json(operation="retract", code=vital_code("body-weight"))) == {}
    assert marks(vital_reading_json(operation="retract")) == ()


def test_a_correction_may_clear_what_only_describes() -> None:
    assert refusals(vital_reading_json(operation="correct", bodySite=None, device=None, method=None)) == {}


def test_an_encounter_is_named_by_the_ehr_s_own_id() -> None:
    assert refusals(vital_reading_json(), encounter={"reference": "Encounter/e7"}) == {}
    for encounter in ({"identifier": {"value": "v-1"}}, {"reference": "Appointment/a1"}):
        assert refusals(vital_reading_json(), encounter=encounter) == {"/encounter/reference": "encounter-reference"}


def test_the_time_spoken_of_is_that_of_the_reading() -> None:
    spec = spec_for(vital_reading_json())
    period = {"start": "2026-03-09", "end": "2026-03-10"}
    averaged = parsed(vital_reading_json(effectiveDateTime=ABSENT, effectivePeriod=period))
    assert str(spec.clinical_time(averaged.action)) == "2026-03-10"
    assert str(spec.clinical_time(parsed(vital_reading_json()).action)) == "2026-03-10T10:30:00-04:00"
    assert spec.clinical_time(parsed(vital_reading_json(operation="retract")).action) is None
