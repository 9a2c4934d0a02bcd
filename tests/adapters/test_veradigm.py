from typing import Any

import pytest

from adapters.veradigm import ADAPTER, CAPABILITIES, UnityAdapter
from canonical.capabilities import Transport, within_contract
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.commands import BLOOD_PRESSURE, KG, METFORMIN, START, WEIGHT, loinc, medication, number
from tests.adapters.vendors import (
    UnmappedCodeError,
    body,
    came_to,
    check_declared,
    check_no_update_takes_back,
    check_trust,
    planned,
    refuses,
    searched,
    site,
)

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
OPTIONS: dict[str, Any] = {
    "native_url": "https://unity.example/Unity/UnityService.svc/json",
    "ehr_user": "jmedici",
    "app_name": "Writeback.App",
    "unity_vitals": True,
    "unity_medications": True,
    "vital_time": "taken",
    "vital_fields": {
        "29463-7": {"name": "weight", "unit": "[lb_av]"},
        "8480-6": {"name": "systolic", "unit": "mm[Hg]"},
        "8462-4": {"name": "diastolic", "unit": "mm[Hg]"},
    },
    "codes": {"medication": {f"{RXNORM}|861007": "17244"}},
    "leaves_out": ["performer", "informationSource"],
}
SITE = site(**OPTIONS)
POUNDS = {
    **WEIGHT,
    "valueQuantity": {"value": number("160.5"), "unit": "lb", "system": KG["system"], "code": "[lb_av]"},
}


def without(*names: str) -> Any:
    return site(**{name: value for name, value in OPTIONS.items() if name not in names})


def one(action: dict[str, Any], at: Any = SITE, **more: Any) -> Operation:
    (operation,) = planned(ADAPTER, action, at, **more)
    return operation


def in_chart(**over: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o5",
        "status": "final",
        "code": loinc("29463-7", "Weight"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-22",
        "valueQuantity": {**KG, "value": number("72.80")},
        **over,
    }


def test_call_carries_action_user_and_patient_and_its_fields_as_xml() -> None:
    operation = one(POUNDS)
    sent = body(operation)
    assert operation.path == "MagicJson"
    assert (sent["Action"], sent["AppUserID"], sent["Appname"], sent["PatientID"]) == (
        "SaveVitalsData",
        "jmedici",
        "Writeback.App",
        "p1",
    )
    assert sent["Parameter1"] == (
        '<savevitalsdata><field name="taken" value="11/22/2026" /><field name="weight" value="160.5" /></savevitalsdata>'
    )
    assert sent["Token"] == ""


def test_session_travels_in_the_body_and_the_call_to_the_native_address() -> None:
    request = ADAPTER.request(one(POUNDS), SITE)
    assert (request.method, request.path, request.native, request.token_field) == ("POST", "MagicJson", True, "Token")


def test_documented_medication_is_marked_as_historical_and_its_text_escaped() -> None:
    sent = body(one({**START, "dosage": [{**START["dosage"][0], "text": 'one & "half" <daily>'}]}))
    assert sent["Action"] == "SaveRX"
    assert 'name="historicalflag" value="Y"' in sent["Parameter1"]
    assert 'name="DDI" value="17244"' in sent["Parameter1"]
    assert 'value="one &amp; &quot;half&quot; &lt;daily&gt;"' in sent["Parameter1"]


@pytest.mark.parametrize(
    ("missing", "action", "match"),
    [
        ("unity_vitals", POUNDS, "does not declare unity_vitals"),
        ("unity_medications", START, "does not declare unity_medications"),
        ("ehr_user", POUNDS, "ehr_user"),
        ("app_name", START, "app_name"),
        ("vital_time", POUNDS, "vital_time"),
        ("vital_fields", POUNDS, "no element"),
    ],
)
def test_what_is_not_declared_is_not_guessed(missing: str, action: dict[str, Any], match: str) -> None:
    refuses(ADAPTER, action, without(missing), match)


def test_medication_that_is_not_mapped_is_for_a_person() -> None:
    with pytest.raises(UnmappedCodeError):
        one(START, without("codes"))


@pytest.mark.parametrize("operation", ["changeDose", "stop", "correct", "retract"])
def test_entry_is_never_changed(operation: str) -> None:
    more: dict[str, Any] = {"dosage": [{"text": "x"}]} if operation == "changeDose" else {}
    target = {"reference": "MedicationStatement/m1", "versionId": "1", "seen": {"status": "active"}}
    refuses(ADAPTER, medication(operation, **more), SITE, "no change or removal", target=target)


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ([{"savevitalsdatainfo": [{"id": "5"}]}], Outcome.APPLIED_UNVERIFIED),
        ([{"SaveVitalsDataInfo": []}], Outcome.APPLIED_UNVERIFIED),
        ([{"savetaskinfo": []}], Outcome.UNKNOWN),
        ([{"savevitalsdatainfo": [], "more": 1}], Outcome.UNKNOWN),
        ([{"Error": "Magic Error - value out of range"}], Outcome.REJECTED_PAYLOAD),
        ([{"savevitalsdatainfo": []}, {"Error": "Magic Error - x"}], Outcome.REJECTED_PAYLOAD),
        ([{"Error": "Magic Error - the security token has expired"}], Outcome.AUTH),
        ("error: something", Outcome.REJECTED_PAYLOAD),
        (b"error: not JSON at all", Outcome.REJECTED_PAYLOAD),
        ([], Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
        ("1d9b3a10-0000-4000-8000-000000000000", Outcome.UNKNOWN),
    ],
)
def test_answer_succeeds_only_under_the_name_of_the_call(content: Any, outcome: Outcome) -> None:
    assert came_to(ADAPTER, one(POUNDS), 200, content) is outcome


def test_no_answer_or_a_broken_one_is_unknown() -> None:
    check_trust(ADAPTER, one(POUNDS))


@pytest.mark.parametrize("action", [POUNDS, BLOOD_PRESSURE, START])
def test_what_left_can_be_read_back_from_its_own_bytes(action: dict[str, Any]) -> None:
    assert isinstance(ADAPTER, UnityAdapter)
    operation = one(action)
    said = ADAPTER.said(operation, SITE)
    assert said["resourceType"] == operation.resource_type
    assert ADAPTER.differences(operation, {**said, "id": "x", "extra": 1}, SITE) == ()


def test_kilograms_for_pounds_are_explained_and_another_weight_is_noticed() -> None:
    assert ADAPTER.differences(one(POUNDS), in_chart(), SITE) == ()
    assert ADAPTER.differences(one(POUNDS), in_chart(valueQuantity={**KG, "value": number("73.0")}), SITE) == (
        "valueQuantity",
    )


def test_twins_and_lost_calls_are_looked_for_by_fhir() -> None:
    operation = one(POUNDS)
    query = ADAPTER.twin_query(operation, SITE)
    assert query is not None
    assert query.path == "Observation?patient=p1&code=http%3A%2F%2Floinc.org%7C29463-7&date=2026-11-22"
    assert ADAPTER.read_twins(operation, searched(in_chart()), SITE) == ("Observation/o5",)
    near = in_chart(valueQuantity={**KG, "value": 80})
    assert ADAPTER.read_probe(operation, searched(near), SITE).verdict is ProbeVerdict.CANNOT_TELL
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.NOT_APPLIED
    drug = one(START)
    assert drug.resource_type == "MedicationRequest"
    stored = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": METFORMIN,
        "dosageInstruction": [{"text": "1 tablet twice daily"}],
    }
    assert ADAPTER.read_probe(drug, searched(stored), SITE).verdict is ProbeVerdict.APPLIED


def test_table_says_what_is_built() -> None:
    check_declared(ADAPTER)
    check_no_update_takes_back(ADAPTER)
    assert {write.transport for write in CAPABILITIES.writes.values()} == {Transport.RPC}
    assert within_contract(CAPABILITIES, {}).actions == frozenset()
