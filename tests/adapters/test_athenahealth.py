from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters.athenahealth import ADAPTER, CAPABILITIES, AthenaAdapter
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Transport
from canonical.notification import read_notification
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.commands import (
    BLOOD_PRESSURE,
    KG,
    METFORMIN,
    MMHG,
    NOW,
    START,
    WEIGHT,
    loinc,
    medication,
    number,
)
from tests.adapters.vendors import (
    UnmappedCodeError,
    came_to,
    check_declared,
    check_no_update_takes_back,
    check_trust,
    planned,
    refuses,
    searched,
    site,
)
from tests.notification_factories import status_bundle

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
OPTIONS: dict[str, Any] = {
    "native_url": "https://api.example/v1/195900",
    "department_id": "150",
    "leaves_out": ["performer", "informationSource"],
    "codes": {"medication": {f"{RXNORM}|861007": "244875"}},
}
SITE = site(**OPTIONS)
PATIENT: dict[str, Any] = {
    "patient": {"reference": "Patient/a-195900.E-77", "birthDate": "1961-04-02", "family": "Lopez"}
}
VISIT: dict[str, Any] = {"encounter": {"reference": "Encounter/a-195900.encounter-9"}}


def one(action: dict[str, Any], at: Any = SITE, **more: Any) -> Operation:
    (operation,) = planned(ADAPTER, action, at, **{**PATIENT, **more})
    return operation


def form(operation: Operation) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(operation.body.decode()).items()}


def in_chart(**over: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "a-195900.vital-5",
        "status": "final",
        "category": [{"text": "vitals"}],
        "code": {**loinc("29463-7", "Weight"), "text": "Weight"},
        "subject": {"reference": "Patient/a-195900.E-77"},
        "effectiveDateTime": "2026-11-22T00:00:00-05:00",
        "valueQuantity": {**KG, "value": number("72.5")},
        **over,
    }


def test_weight_leaves_in_grams_as_one_group_of_a_form() -> None:
    operation = one(WEIGHT)
    assert operation.path == "chart/77/vitals"
    sent = form(operation)
    assert exact_json.parse(sent.pop("vitals")) == [
        [{"clinicalelementid": "VITALS.WEIGHT", "readingtaken": "11/22/2026", "value": "72500"}]
    ]
    assert sent == {"departmentid": "150", "source": "DEVICEGENERATED", "returnvitalids": "true"}


def test_request_goes_to_the_native_address_as_a_form() -> None:
    request = ADAPTER.request(one(WEIGHT), SITE)
    assert (request.method, request.path, request.native) == ("POST", "chart/77/vitals", True)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("code", "value", "unit", "sent"),
    [
        ("8310-5", "37.2", "Cel", "98.96"),
        ("8302-2", "66.5", "[in_i]", "168.91"),
        ("29463-7", "160", "[lb_av]", "72574.7792"),
    ],
)
def test_units_are_converted_exactly(code: str, value: str, unit: str, sent: str) -> None:
    quantity = {"value": number(value), "unit": unit, "system": KG["system"], "code": unit}
    (group,) = exact_json.parse(form(one({**WEIGHT, "code": loinc(code, "x"), "valueQuantity": quantity}))["vitals"])
    assert group[0]["value"] == sent


def test_pressure_is_two_elements_of_one_group() -> None:
    (group,) = exact_json.parse(form(one(BLOOD_PRESSURE))["vitals"])
    assert [(item["clinicalelementid"], item["value"]) for item in group] == [
        ("VITALS.BLOODPRESSURE.SYSTOLIC", "128"),
        ("VITALS.BLOODPRESSURE.DIASTOLIC", "82"),
    ]


def test_saturation_is_never_sent_under_an_element_that_is_not_known_to_mean_it() -> None:
    percent = {"value": 97, "unit": "%", "system": KG["system"], "code": "%"}
    action = {**WEIGHT, "code": loinc("59408-5", "Saturation"), "valueQuantity": percent}
    refuses(ADAPTER, action, SITE, "no element", **PATIENT)
    told = site(**OPTIONS, vital_elements={"59408-5": "VITALS.O2SATURATION"})
    (group,) = exact_json.parse(form(one(action, told))["vitals"])
    assert group[0]["clinicalelementid"] == "VITALS.O2SATURATION"


def test_reading_of_an_encounter_goes_to_the_encounter() -> None:
    operation = one(WEIGHT, **VISIT)
    assert operation.path == "chart/encounter/9/vitals"
    assert form(operation)["patientid"] == "77"


def test_patient_of_another_practice_is_never_written_to() -> None:
    other = {"patient": {**PATIENT["patient"], "reference": "Patient/a-2.E-77"}}
    refuses(ADAPTER, WEIGHT, SITE, "practice", **other)


def test_connection_without_a_department_writes_nothing() -> None:
    refuses(ADAPTER, WEIGHT, site(**{**OPTIONS, "department_id": ""}), "department_id", **PATIENT)


def test_documented_medication_leaves_by_the_vendors_id_with_its_text_and_days() -> None:
    operation = one({**START, "effectivePeriod": {"start": "2026-11-01"}})
    assert operation.path == "chart/77/medications"
    assert form(operation) == {
        "departmentid": "150",
        "medicationid": "244875",
        "unstructuredsig": "1 tablet twice daily",
        "hidden": "false",
        "startdate": "11/01/2026",
    }


def test_medication_that_is_not_mapped_is_for_a_person() -> None:
    with pytest.raises(UnmappedCodeError):
        one(START, site(**{**OPTIONS, "codes": {}}))


def test_what_would_be_lost_is_refused_by_name() -> None:
    refuses(ADAPTER, {**WEIGHT, "howObtained": "stated"}, SITE, "howObtained", **PATIENT)
    refuses(ADAPTER, {**START, "note": [{"text": "x"}]}, SITE, "note", **PATIENT)


@pytest.mark.parametrize("operation", ["changeDose", "hold", "stop", "retract"])
def test_entry_is_never_changed(operation: str) -> None:
    more: dict[str, Any] = {"dosage": [{"text": "x"}]} if operation == "changeDose" else {}
    target = {"reference": "MedicationStatement/m1", "versionId": "1", "seen": {"status": "active"}}
    refuses(ADAPTER, medication(operation, **more), SITE, "documents no change", target=target, **PATIENT)


@pytest.mark.parametrize(
    ("action", "more", "outcome"),
    [
        (WEIGHT, {}, Outcome.PENDING_REMOTE),
        (WEIGHT, VISIT, Outcome.APPLIED_UNVERIFIED),
        (START, {}, Outcome.APPLIED_UNVERIFIED),
    ],
)
def test_success_names_nothing_and_readings_outside_an_encounter_are_not_shown_yet(
    action: dict[str, Any], more: dict[str, Any], outcome: Outcome
) -> None:
    operation = one(action, **more)
    answer = Answer(status=200, body=b'{"success": true, "vitalids": [5]}')
    settled = ADAPTER.classify(operation, answer, NOW)
    assert (settled.outcome, settled.reference) == (outcome, None)


@pytest.mark.parametrize(
    ("status", "content", "outcome"),
    [
        (200, {"success": False, "errormessage": "The appointment is already frozen."}, Outcome.REJECTED_PAYLOAD),
        (200, {"success": True, "errormessage": "x"}, Outcome.UNKNOWN),
        (200, {"error": "x", "detailedmessage": "y"}, Outcome.UNKNOWN),
        (200, [{"success": True}], Outcome.UNKNOWN),
        (200, {"success": "true"}, Outcome.UNKNOWN),
        (201, {"success": True}, Outcome.UNKNOWN),
        (400, {"error": "x"}, Outcome.REJECTED_PAYLOAD),
        (401, {"error": "x"}, Outcome.AUTH),
        (403, {"error": "x"}, Outcome.NOT_SUPPORTED),
        (404, b"Not here", Outcome.NOT_SUPPORTED),
        (409, {"error": "x"}, Outcome.UNKNOWN),
        (429, b"Over the limit", Outcome.THROTTLED),
        (503, b"Busy", Outcome.UNKNOWN),
    ],
)
def test_answers_are_told_apart(status: int, content: Any, outcome: Outcome) -> None:
    assert came_to(ADAPTER, one(WEIGHT), status, content) is outcome


def test_no_answer_or_a_broken_one_is_unknown() -> None:
    check_trust(ADAPTER, one(WEIGHT))


@pytest.mark.parametrize("action", [WEIGHT, BLOOD_PRESSURE, START])
def test_what_left_can_be_read_back_from_its_own_bytes(action: dict[str, Any]) -> None:
    assert isinstance(ADAPTER, AthenaAdapter)
    operation = one(action)
    said = ADAPTER.said(operation, SITE)
    assert said["subject"] == {"reference": PATIENT["patient"]["reference"]}
    assert said["resourceType"] == operation.resource_type
    assert ADAPTER.differences(operation, {**said, "id": "x", "meta": {"versionId": "1"}, "extra": 1}, SITE) == ()


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"valueQuantity": {**KG, "value": 73}}, "valueQuantity"),
        ({"valueQuantity": {**KG, "value": 72500}}, "valueQuantity"),
        ({"effectiveDateTime": "2026-11-23"}, "effectiveDateTime"),
        ({"code": loinc("8302-2", "Height")}, "code"),
        ({"subject": {"reference": "Patient/a-195900.E-78"}}, "subject"),
        ({"status": "entered-in-error"}, "status"),
    ],
)
def test_kilograms_for_grams_are_explained_and_another_content_is_noticed(over: dict[str, Any], named: str) -> None:
    assert ADAPTER.differences(one(WEIGHT), in_chart(), SITE) == ()
    assert named in ADAPTER.differences(one(WEIGHT), in_chart(**over), SITE)


def test_other_number_of_a_pressure_is_noticed() -> None:
    operation, numbers = one(BLOOD_PRESSURE), (("8480-6", 128), ("8462-4", 82))
    parts = [{"code": loinc(code, code), "valueQuantity": {**MMHG, "value": value}} for code, value in numbers]
    stored = in_chart(code=loinc("85354-9", "BP"), component=parts, valueQuantity=None)
    assert ADAPTER.differences(operation, stored, SITE) == ()
    parts[1]["valueQuantity"]["value"] = 83
    assert ADAPTER.differences(operation, stored, SITE) == ("component",)


def test_twins_are_looked_for_by_patient_code_and_day() -> None:
    query = ADAPTER.twin_query(one(WEIGHT), SITE)
    assert query is not None
    assert not query.native
    assert query.path == "Observation?patient=a-195900.E-77&code=http%3A%2F%2Floinc.org%7C29463-7&date=2026-11-22"
    assert ADAPTER.read_twins(one(WEIGHT), searched(in_chart()), SITE) == ("Observation/a-195900.vital-5",)


def test_medication_is_looked_for_under_the_type_that_shows_it() -> None:
    operation = one(START)
    query = ADAPTER.twin_query(operation, SITE)
    assert query is not None
    assert query.path.startswith("MedicationRequest?patient=a-195900.E-77")
    stored = {
        "resourceType": "MedicationRequest",
        "id": "m5",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/a-195900.E-77"},
        "medicationCodeableConcept": METFORMIN,
        "dosageInstruction": [{"text": "1 tablet twice daily"}],
    }
    found = ADAPTER.read_probe(operation, searched(stored), SITE)
    assert (found.verdict, found.reference) == (ProbeVerdict.APPLIED, "MedicationRequest/m5")


@pytest.mark.parametrize(
    ("more", "entries", "verdict"),
    [
        ({}, [], ProbeVerdict.CANNOT_TELL),
        (VISIT, [], ProbeVerdict.NOT_APPLIED),
        (VISIT, [in_chart()], ProbeVerdict.APPLIED),
        (VISIT, [in_chart(), in_chart(id="o2")], ProbeVerdict.CANNOT_TELL),
        (VISIT, [in_chart(valueQuantity={**KG, "value": 80})], ProbeVerdict.CANNOT_TELL),
        (VISIT, [in_chart(effectiveDateTime="2026-11-21")], ProbeVerdict.NOT_APPLIED),
    ],
)
def test_resend_is_legal_only_where_the_chart_shows_nothing_of_the_kind(
    more: dict[str, Any], entries: list[dict[str, Any]], verdict: ProbeVerdict
) -> None:
    assert ADAPTER.read_probe(one(WEIGHT, **more), searched(*entries), SITE).verdict is verdict


def test_practice_that_shows_readings_at_once_makes_their_absence_a_proof() -> None:
    shown = site(**OPTIONS, vitals_visible=True)
    assert ADAPTER.read_probe(one(WEIGHT, shown), searched(), shown).verdict is ProbeVerdict.NOT_APPLIED


def test_table_says_what_is_built() -> None:
    check_declared(ADAPTER)
    check_no_update_takes_back(ADAPTER)
    assert {write.transport for write in CAPABILITIES.writes.values()} == {Transport.FORM}


def test_entry_that_was_found_not_to_be_so_does_not_say_what_was_sent() -> None:
    operation = one(WEIGHT)
    assert ADAPTER.differences(operation, in_chart(), SITE) == ()
    refuted = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "refuted"}]}
    assert ADAPTER.differences(operation, in_chart(verificationStatus=refuted), SITE) == ("verificationStatus",)


def test_its_notifications_begin_to_count_anew_in_each_message_and_name_events_by_ids() -> None:
    body = status_bundle(events=[("cb6c", "Condition/a-195900.Problem-7"), ("cb6d", None)])
    found = read_notification(body, CAPABILITIES.notifications)
    assert (found.subscription, found.sent) == (None, None)
    assert [(event.identity, event.number, event.references) for event in found.events] == [
        ("cb6c", None, ("Condition/a-195900.Problem-7",)),
        ("cb6d", None, ()),
    ]
