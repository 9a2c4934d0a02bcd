from __future__ import annotations

from typing import Any

import pytest

from canonical.action import spec_for
from tests.canonical.checked import confirmations, findings, marks, parsed, refusals
from tests.canonical.readings import blood_pressure, reading
from tests.factories import (
    ABSENT,
    DATA_ABSENT_REASON,
    NOW,
    Json,
    component_json,
    concept,
    patient_json,
    quantity,
    vital_reading_json,
)

NOT_PERFORMED = concept(DATA_ABSENT_REASON, "not-performed", "not done")
VALUE = "/action/valueQuantity/value"


@pytest.mark.parametrize(("vital", "value"), [
    ("heart-rate", "9"), ("heart-rate", "0"), ("heart-rate", "401"), ("oxygen-saturation", "100.1"), ("oxygen-saturation", "-1"),
    ("body-temperature", "9.99"), ("body-temperature", "48.1"), ("body-weight", "0.19"), ("body-weight", "650.01"),
    ("body-height", "14.9"), ("body-height", "281"), ("respiratory-rate", "151"), ("respiratory-rate", "-1"),
    ("head-circumference", "81"), ("bmi-for-age-percentile", "101"), ("body-weight", "7250e2"),
])  # fmt: skip
def test_an_impossible_value_is_refused_even_when_confirmed(vital: str, value: str) -> None:
    confirmed = {"by": {"value": "n-17"}, "when": "2026-03-10T14:45:00Z"}
    assert refusals(reading(vital, value, confirmed=confirmed)) == {VALUE: "value-impossible"}


def test_a_zero_that_cannot_be_is_told_about_data_absent_reason() -> None:
    envelope = parsed(reading("heart-rate", "0"))
    (error,) = spec_for(envelope.action).check(envelope, NOW)
    assert "dataAbsentReason" in error.detail
    assert refusals(reading("respiratory-rate", "0")) == {}
    assert confirmations(reading("respiratory-rate", "0")) == {VALUE: "confirmation-required"}


@pytest.mark.parametrize(("vital", "value"), [
    ("heart-rate", "29"), ("heart-rate", "221"), ("oxygen-saturation", "59.9"), ("body-temperature", "42.01"),
    ("body-weight", "300.5"), ("body-height", "99"), ("respiratory-rate", "61"),
])  # fmt: skip
def test_an_implausible_value_passes_only_when_its_author_says_so_again(vital: str, value: str) -> None:
    assert refusals(reading(vital, value)) == {}
    assert confirmations(reading(vital, value)) == {VALUE: "confirmation-required"}
    again = reading(vital, value, confirmed={"by": {"value": "n-17"}, "when": "2026-03-10T14:45:00Z"})
    assert refusals(again) == {}
    assert confirmations(again) == {}
    assert findings(again) == []


def test_an_implausible_component_is_named_where_it_stands() -> None:
    assert confirmations(blood_pressure("261", "76")) == {
        "/action/component/0/valueQuantity/value": "confirmation-required"
    }


@pytest.mark.parametrize(
    "action", [blood_pressure("240", "130"), reading("oxygen-saturation", "78")], ids=["bp", "SpO2"]
)
def test_a_critical_but_plausible_value_is_written_at_once_and_marked(action: Json) -> None:
    assert refusals(action) == {}
    assert confirmations(action) == {}
    assert findings(action) == []
    assert marks(action) == ("critical",)


STREAM = {"author": {"role": "device"}}


def test_a_device_without_an_author_is_not_held_but_gets_one_case_a_series() -> None:
    device = {"serialNumber": "SN-1"}
    action = reading("heart-rate", "230", origin="deviceTransmitted", device=device)
    assert confirmations(action, **STREAM) == {}
    (found,) = findings(action, **STREAM)
    assert (found.kind, found.severity, found.holds) == ("implausible_value", "low", False)
    later = reading(
        "heart-rate", "240", origin="deviceTransmitted", device=device, effectiveDateTime="2026-03-10T10:40:00-04:00"
    )
    assert findings(later, **STREAM)[0].series == found.series
    other = reading("heart-rate", "240", origin="deviceTransmitted", device={"serialNumber": "SN-2"})
    assert findings(other, **STREAM)[0].series != found.series
    elsewhere = findings(action, patient=patient_json(reference="Patient/p2"), **STREAM)
    assert elsewhere[0].series != found.series


def test_a_case_names_no_device_no_patient_and_no_value() -> None:
    action = reading("heart-rate", "230", device={"serialNumber": "SN-1"})
    assert not {"SN-1", "230", "p1"} & set(findings(action, **STREAM)[0].series.split())
    assert "230" not in findings(action, **STREAM)[0].detail


@pytest.mark.parametrize(("born", "value", "asked"), [
    ("2026-03-01", "3.40", False),
    ("2026-03-01", "72.50", True),
    ("2025-06-01", "9.1", False),
    ("2018-06-01", "24.0", False),
    ("2018-06-01", "3.4", True),
    ("1961-04-02", "3.40", True),
    (None, "3.40", False),
], ids=str)  # fmt: skip
def test_what_is_plausible_goes_by_age_and_is_widest_when_the_age_is_unknown(
    born: str | None, value: str, *, asked: bool
) -> None:
    who = {"identifier": {"system": "urn:mrn", "value": "1"}, "family": ABSENT}
    patient = patient_json(birthDate=born or ABSENT, **who)
    assert bool(confirmations(reading("body-weight", value), patient=patient)) is asked


def test_a_partial_clinical_time_takes_every_band_it_may_mean() -> None:
    day_28 = patient_json(birthDate="2026-02-10")
    on_the_day = reading("body-weight", "0.50", effectiveDateTime="2026-03-10")
    assert confirmations(on_the_day, patient=day_28) == {}
    a_day_later = reading("body-weight", "0.50", effectiveDateTime="2026-03-10T14:00:00Z")
    assert confirmations(a_day_later, patient=day_28) == {VALUE: "confirmation-required"}


@pytest.mark.parametrize(("systolic", "diastolic"), [("80", "80"), ("76", "118"), ("80.0", "80")])
def test_systolic_is_above_diastolic(systolic: str, diastolic: str) -> None:
    pointer = "/action/component/0/valueQuantity/value"
    assert refusals(blood_pressure(systolic, diastolic))[pointer] == "systolic-not-above-diastolic"


def test_the_order_of_the_components_does_not_matter() -> None:
    action = blood_pressure("118", "76")
    action["component"].reverse()
    assert refusals(action) == {}


def test_an_average_pressure_keeps_the_same_rule_and_its_period() -> None:
    period = {"start": "2026-03-09T10:00:00-04:00", "end": "2026-03-10T10:00:00-04:00"}
    action = vital_reading_json("average-blood-pressure", effectiveDateTime=ABSENT, effectivePeriod=period)
    assert refusals(action) == {}
    action["component"][0]["valueQuantity"] = quantity("70", "mmHg", "mm[Hg]")
    assert list(refusals(action).values()) == ["systolic-not-above-diastolic"]


def test_a_body_mass_index_is_refused_unless_weight_and_height_ride_along() -> None:
    pointer = "/action/component"
    assert refusals(vital_reading_json("body-mass-index", component=ABSENT)) == {pointer: "component-missing"}
    one = [component_json("body-weight")]
    assert refusals(vital_reading_json("body-mass-index", component=one)) == {pointer: "component-missing"}
    empty = [
        component_json("body-weight"),
        component_json("body-height", valueQuantity=ABSENT, dataAbsentReason=NOT_PERFORMED),
    ]
    assert refusals(vital_reading_json("body-mass-index", component=empty)) == {pointer: "component-missing"}


@pytest.mark.parametrize(("bmi", "weight", "height", "fits"), [
    ("24.8", ("72.50", "kg", "kg"), ("171.0", "cm", "cm"), True),
    ("24.5", ("72.50", "kg", "kg"), ("171.0", "cm", "cm"), True),
    ("24.2", ("72.50", "kg", "kg"), ("171.0", "cm", "cm"), False),
    ("24.8", ("159.8", "lb", "[lb_av]"), ("67.3", "in", "[in_i]"), True),
    ("24.8", ("159.8", "lb", "[lb_av]"), ("171.0", "cm", "cm"), True),
    ("54.7", ("72.50", "kg", "kg"), ("171.0", "cm", "cm"), False),
], ids=str)  # fmt: skip
def test_a_body_mass_index_is_that_of_its_weight_and_height(bmi: str, weight: Any, height: Any, *, fits: bool) -> None:
    parts = [
        component_json("body-weight", valueQuantity=quantity(*weight)),
        component_json("body-height", valueQuantity=quantity(*height)),
    ]
    wrong = {} if fits else {VALUE: "derived-value-disagrees"}
    assert refusals(reading("body-mass-index", bmi, component=parts)) == wrong
