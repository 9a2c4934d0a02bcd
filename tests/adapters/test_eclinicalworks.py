import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.eclinicalworks import ADAPTER, CAPABILITIES, NUMBERS
from adapters.wire import Answer
from canonical.capabilities import Interaction, Landing, Transport, Way, within_contract
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.commands import KG, METFORMIN, NOW, START, WEIGHT, medication, number
from tests.adapters.vendors import (
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

GRANTED = {"writeback_vitals": True, "writeback_medications": True, "leaves_out": ["informationSource"]}
SITE = site(**GRANTED)


def one(action: dict[str, Any] = WEIGHT, **more: Any) -> Operation:
    (operation,) = planned(ADAPTER, action, SITE, **more)
    return operation


def entry(number: Any, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "transaction-response",
        "entry": [{"response": {"status": number, **more}}],
    }


def test_write_is_a_transaction_of_one_entry_to_the_base() -> None:
    operation = one()
    bundle = body(operation)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
    (only,) = bundle["entry"]
    assert only["request"] == {"method": "POST", "url": "Observation"}
    assert only["resource"]["valueQuantity"] == {"value": number("72.50"), **KG}
    assert "identifier" not in only["resource"]
    request = ADAPTER.request(operation, SITE)
    assert (request.method, request.path, request.native) == ("POST", "", False)


def test_medication_goes_out_by_its_rxnorm_code_alone() -> None:
    ndc = {"system": "http://hl7.org/fhir/sid/ndc", "code": "0093-1048"}
    action = {**START, "medication": {**METFORMIN, "coding": [*METFORMIN["coding"], ndc]}}
    sent = body(one(action))["entry"][0]["resource"]
    assert sent["medicationCodeableConcept"]["coding"] == METFORMIN["coding"]


def test_nothing_leaves_without_the_contract() -> None:
    refuses(ADAPTER, WEIGHT, site(), "does not declare writeback_vitals")
    refuses(ADAPTER, START, site(writeback_vitals=True), "does not declare writeback_medications")
    none = within_contract(CAPABILITIES, {})
    assert none.actions == frozenset()
    assert none.writes == {}


def test_encounter_of_a_reading_is_not_dropped_unsaid() -> None:
    visit: dict[str, Any] = {"encounter": {"reference": "Encounter/e1"}}
    refuses(ADAPTER, WEIGHT, SITE, "encounter", **visit)
    lax = site(**{**GRANTED, "leaves_out": ["encounter"]})
    (operation,) = planned(ADAPTER, WEIGHT, lax, **visit)
    assert "encounter" not in body(operation)["entry"][0]["resource"]


@pytest.mark.parametrize("operation", ["changeDose", "stop", "correct", "retract"])
def test_entry_is_never_changed(operation: str) -> None:
    more: dict[str, Any] = {"dosage": [{"text": "x"}]} if operation == "changeDose" else {}
    target = {"reference": "MedicationStatement/m1", "versionId": "1", "seen": {"status": "active"}}
    refuses(ADAPTER, medication(operation, **more), SITE, "no change or removal", target=target)


@pytest.mark.parametrize("status", [200, 201])
def test_number_one_is_taken_and_waits_for_a_user(status: int) -> None:
    assert came_to(ADAPTER, one(), status, entry("1")) is Outcome.PENDING_REMOTE


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("2", Outcome.UNKNOWN),
        ("100", Outcome.REJECTED_PAYLOAD),
        ("103", Outcome.UNKNOWN),
        ("139", Outcome.LOCKED),
        ("201", Outcome.REJECTED_PAYLOAD),
        ("202", Outcome.UNKNOWN),
        ("301", Outcome.REJECTED_PAYLOAD),
        ("308", Outcome.REJECTED_SITE_CONFIG),
        ("615", Outcome.UNKNOWN),
        ("9999", Outcome.UNKNOWN),
        ("201 Created", Outcome.UNKNOWN),
        (1, Outcome.UNKNOWN),
    ],
)
def test_numbers_inside_are_the_vendors_own_whatever_http_says(code: Any, outcome: Outcome) -> None:
    for status in (200, 201):
        assert came_to(ADAPTER, one(), status, entry(code)) is outcome


def test_no_number_but_one_is_ever_a_success() -> None:
    taken = {Outcome.APPLIED, Outcome.APPLIED_UNVERIFIED, Outcome.PENDING_REMOTE, Outcome.ALREADY_AT_TARGET}
    assert not taken & set(NUMBERS.values())
    assert all(channel == "transaction" for channel, _, _ in NUMBERS)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, entry("1")),
        (200, entry("100", location="Observation/o1")),
        (200, {**entry("1"), "entry": [*entry("1")["entry"], *entry("1")["entry"]]}),
        (200, {**entry("1"), "type": "batch-response"}),
        (200, {"resourceType": "Observation", "id": "o1"}),
    ],
)
def test_answer_that_contradicts_itself_or_is_another_is_unknown(status: int, content: Any) -> None:
    assert came_to(ADAPTER, one(), status, content) is Outcome.UNKNOWN


def test_no_answer_or_a_broken_one_is_unknown() -> None:
    check_trust(ADAPTER, one())


def test_throttled_means_until_the_next_minute_of_the_clock() -> None:
    settled = ADAPTER.classify(one(), Answer(status=429), NOW.replace(second=48))
    assert (settled.outcome, settled.retry_after) == (Outcome.THROTTLED, timedelta(seconds=12))


def test_place_that_is_named_is_kept() -> None:
    answer = Answer(status=200, body=json.dumps(entry("1", location="Observation/o9")).encode())
    assert ADAPTER.classify(one(), answer, NOW).reference == "Observation/o9"


def test_what_waits_for_a_user_is_not_shown_so_its_absence_proves_nothing() -> None:
    operation = one()
    query = ADAPTER.twin_query(operation, SITE)
    assert query is not None
    assert query.path.startswith("Observation?patient=p1&code=")
    assert ADAPTER.read_probe(operation, searched(), SITE).verdict is ProbeVerdict.CANNOT_TELL
    stored = {**body(operation)["entry"][0]["resource"], "id": "o9"}
    found = ADAPTER.read_probe(operation, searched(stored), SITE)
    assert (found.verdict, found.reference) == (ProbeVerdict.APPLIED, "Observation/o9")
    assert ADAPTER.read_twins(operation, searched(stored), SITE) == ("Observation/o9",)
    assert ADAPTER.differences(operation, {**stored, "status": "entered-in-error"}, SITE) == ("status",)


def test_table_says_what_is_built() -> None:
    check_declared(ADAPTER)
    check_no_update_takes_back(ADAPTER)
    assert all(write.flag for write in CAPABILITIES.writes.values())
    assert {write.landing for write in CAPABILITIES.writes.values()} == {Landing.REVIEW}
    assert {write.transport for write in CAPABILITIES.writes.values()} == {Transport.TRANSACTION}
    assert CAPABILITIES.support("VitalReading", "record").way is Way.REVIEW
    assert all(interaction is Interaction.CREATE for _, interaction in CAPABILITIES.writes)


# The lists

ALL = site(**{**GRANTED, "writeback_allergies": True, "writeback_problems": True})
ALLERGY = {
    "type": "AllergyUpdate",
    "operation": "record",
    "code": {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7980"}],
        "text": "penicillin",
    },
    "criticality": "high",
}
PROBLEM = {
    "type": "ProblemUpdate",
    "operation": "add",
    "category": "problem-list-item",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}], "text": "Hypertension"},
}


@pytest.mark.parametrize(("action", "kind"), [(ALLERGY, "AllergyIntolerance"), (PROBLEM, "Condition")])
def test_entry_of_a_list_waits_for_a_user_and_is_granted_by_its_own_contract(action: dict[str, Any], kind: str) -> None:
    (operation,) = planned(ADAPTER, action, ALL)
    (only,) = body(operation)["entry"]
    assert only["request"] == {"method": "POST", "url": kind}
    assert only["resource"]["code"] == action["code"]
    assert came_to(ADAPTER, operation, 200, entry("1")) is Outcome.PENDING_REMOTE
    refuses(ADAPTER, action, SITE, "does not declare")


def test_detail_that_is_not_known_to_be_kept_is_refused() -> None:
    refuses(ADAPTER, {**ALLERGY, "note": [{"text": "x"}]}, ALL, "note")
    refuses(ADAPTER, {**PROBLEM, "bodySite": [{"text": "left"}]}, ALL, "bodySite")
