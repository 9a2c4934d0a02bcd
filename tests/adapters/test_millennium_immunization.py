from typing import Any

import pytest

from adapters.oracle_health import ADAPTER
from canonical.outcome import Outcome, ProbeVerdict
from canonical.ports import Operation
from tests.adapters.r4.lists import ACKNOWLEDGED
from tests.adapters.vendors import body, came_to, check_trust, planned, refuses, searched, site
from tests.factories import ABSENT, Json, concept, quantity
from tests.record_factories import CVX, immunization_record_json

SITE = site()
VISIT = {"reference": "Encounter/e1"}
GIVEN: dict[str, Any] = immunization_record_json(
    occurrenceDateTime="2026-11-22T08:15:00-05:00",
    expirationDate="2027-01-31",
    doseQuantity=quantity("0.50", "mL", "mL"),
    site={"text": "left arm"},
)


def one(action: dict[str, Any] = GIVEN, **envelope: Any) -> Operation:
    (operation,) = planned(ADAPTER, action, SITE, **{"encounter": VISIT, **envelope})
    return operation


def test_a_dose_is_charted_with_its_encounter_and_every_digit() -> None:
    operation = one()
    request = ADAPTER.request(operation, SITE)
    assert (request.method, request.path) == ("POST", "Immunization")
    assert not {"If-None-Exist", "If-Match"} & set(request.headers)
    said = body(operation)
    assert (said["status"], said["encounter"], said["patient"]) == ("completed", VISIT, {"reference": "Patient/p1"})
    assert b'"value":0.50' in operation.body
    assert "identifier" not in said


def test_what_would_only_be_staged_is_not_sent() -> None:
    refuses(ADAPTER, GIVEN, SITE, "only stages it")


@pytest.mark.parametrize("when", ["2026", "2026-11", None])
def test_a_dose_without_its_day_is_not_sent(when: str | None) -> None:
    reported: Json = {"primarySource": False, "reportOrigin": {"text": "the patient"}}
    time: Json = (
        {"occurrenceDateTime": when} if when else {"occurrenceDateTime": ABSENT, "occurrenceString": "as a child"}
    )
    refuses(ADAPTER, immunization_record_json(**reported, **time), SITE, "with its day", encounter=VISIT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("protocolApplied", [{"doseNumberPositiveInt": 1}]),
        ("fundingSource", {"text": "public"}),
        ("programEligibility", [{"text": "uninsured"}]),
        ("reaction", [{"date": "2026-11-22"}]),
        ("reasonCode", [{"text": "travel"}]),
    ],
)
def test_what_it_has_no_place_for_is_refused_and_not_dropped(name: str, value: Any) -> None:
    refuses(ADAPTER, {**GIVEN, name: value}, SITE, name, encounter=VISIT)


@pytest.mark.parametrize("operation", ["recordNotDone", "correct", "retract"])
def test_nothing_else_is_made_of_a_vaccination(operation: str) -> None:
    action = immunization_record_json(operation)
    named = {"reference": "Immunization/i1", "versionId": "1", "seen": {"status": "completed"}}
    target = {} if operation == "recordNotDone" else {"target": {**named, "acknowledged": ACKNOWLEDGED}}
    refuses(ADAPTER, action, SITE, "Millennium", encounter=VISIT, **target)


def test_codes_may_be_added_and_nothing_else_may_change() -> None:
    operation = one()
    said = body(operation)
    own = {"system": "https://fhir.cerner.com/x/codeSet/72", "code": "2797921"}
    added = {**said["vaccineCode"], "coding": [*said["vaccineCode"]["coding"], own]}
    stored = {
        **said,
        "id": "i1",
        "vaccineCode": added,
        "location": {"reference": "Location/l1"},
        "recorded": "2026-11-22",
    }
    assert ADAPTER.differences(operation, stored, SITE) == ()
    for over, name in (
        ({"vaccineCode": concept(CVX, "150", "influenza")}, "vaccineCode"),
        ({"lotNumber": "another"}, "lotNumber"),
        ({"doseQuantity": {**said["doseQuantity"], "value": 5}}, "doseQuantity"),
        ({"status": "not-done"}, "status"),
    ):
        assert ADAPTER.differences(operation, {**stored, **over}, SITE) == (name,)


def test_a_lost_answer_is_looked_up_among_the_patient_s_vaccinations() -> None:
    operation = one()
    check_trust(ADAPTER, operation)
    assert came_to(ADAPTER, operation, 201, location="https://ehr.example/fhir/Immunization/i1") is Outcome.APPLIED
    assert ADAPTER.probe(operation, SITE).path == "Immunization?patient=p1"
    stored = {**body(operation), "id": "i1"}
    assert ADAPTER.read_probe(operation, searched(stored), SITE).verdict is ProbeVerdict.APPLIED
    other = {**stored, "occurrenceDateTime": "2025-11-22"}
    assert ADAPTER.read_probe(operation, searched(other), SITE).verdict is ProbeVerdict.NOT_APPLIED
