from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER
from adapters.r4.comparable import comparable
from adapters.r4.immunization import LIVE
from adapters.r4.validity import STATUS, problems
from canonical import exact_json
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Resource
from tests.adapters.commands import PATIENT
from tests.adapters.r4.lists import BASE, SITE, changed, planned
from tests.adapters.r4.lists import built as built_for
from tests.factories import quantity
from tests.record_factories import immunization_record_json, vaccine_code

RECORD: dict[str, Any] = immunization_record_json(occurrenceDateTime="2026-11-22T08:15:00-05:00")
FULL: dict[str, Any] = {
    **RECORD,
    "lotNumber": "AB1234",
    "expirationDate": "2027-01",
    "manufacturer": {"display": "A maker"},
    "site": {"text": "left upper arm"},
    "route": {"text": "intramuscular"},
    "doseQuantity": quantity("0.50", "mL", "mL"),
    "performer": [{"function": {"text": "administering provider"}, "actor": {"reference": "Practitioner/n1"}}],
    "fundingSource": {"text": "public"},
    "programEligibility": [{"text": "uninsured"}],
    "protocolApplied": [
        {
            "series": "2-dose",
            "targetDisease": [{"text": "COVID-19"}],
            "doseNumberPositiveInt": 2,
            "seriesDosesPositiveInt": 2,
        }
    ],
    "reaction": [{"date": "2026-11-22", "detail": {"reference": "Observation/o1"}, "reported": True}],
    "reasonCode": [{"text": "travel"}],
    "recorded": "2026-11-22T08:20:00-05:00",
    "note": [{"text": "second try"}],
}
REPORTED: dict[str, Any] = {
    **{name: value for name, value in RECORD.items() if name not in {"lotNumber", "occurrenceDateTime"}},
    "primarySource": False,
    "reportOrigin": {"text": "the patient's own record"},
    "occurrenceString": "as a child",
}
NOT_DONE: dict[str, Any] = immunization_record_json("recordNotDone", occurrenceDateTime="2026-11-22")
RETRACT: dict[str, Any] = immunization_record_json("retract", vaccineCode=vaccine_code())


def of(operation: str, **over: Any) -> dict[str, Any]:
    return immunization_record_json(operation, **over)


def built(action: dict[str, Any], current: Resource | None = None, **more: Any) -> dict[str, Any]:
    seen = {"status": current["status"]} if current else None
    return built_for(action, current, seen=seen, **more)


def in_chart(action: dict[str, Any] = FULL, **over: Any) -> dict[str, Any]:
    return {**built(action), "id": "i1", "isSubpotent": False, **over}


@pytest.mark.parametrize("said", [FULL, REPORTED, NOT_DONE], ids=["given", "reported", "not done"])
def test_every_field_survives_into_the_chart_and_back(said: dict[str, Any]) -> None:
    resource = built(said)
    assert problems(resource) == frozenset()
    projection = ADAPTER.project(resource, SITE)
    for name in set(said) - {"type", "operation"}:
        assert projection.get(name) == comparable(said[name], BASE), name


def test_a_vaccination_is_the_patient_s_and_of_the_encounter() -> None:
    resource = built(RECORD, encounter={"reference": "Encounter/e1"})
    assert resource["patient"] == {"reference": PATIENT}
    assert "subject" not in resource
    projection = ADAPTER.project(resource, SITE)
    assert (projection["subject"], projection["encounter"]) == (resource["patient"], {"reference": "Encounter/e1"})


def test_the_status_follows_from_the_operation() -> None:
    assert [built(action)["status"] for action in (RECORD, REPORTED, NOT_DONE)] == [
        "completed",
        "completed",
        "not-done",
    ]


def test_every_digit_of_the_amount_and_the_partial_date_leave_as_written() -> None:
    (operation,) = planned(FULL)
    assert b'"value":0.50' in operation.body
    assert b'"expirationDate":"2027-01"' in operation.body


@pytest.mark.parametrize("status", sorted(STATUS["Immunization"]))
def test_a_correction_leaves_the_status_and_a_retraction_ends_it(status: str) -> None:
    current = in_chart(NOT_DONE if status == "not-done" else FULL, status=status)
    correct = of("correct", lotNumber="AB1235") if status != "not-done" else of("correct", lotNumber=None)
    for action, after in ((correct, status), (RETRACT, "entered-in-error")):
        if status in LIVE:
            assert built(action, current)["status"] == after
            continue
        with pytest.raises(NeedsPersonError) as caught:
            built(action, current)
        assert caught.value.kind == ("status_ended" if action is RETRACT else "status_backwards")


def test_an_operation_touches_only_what_it_says() -> None:
    before = in_chart()
    assert changed(before, built(of("correct", lotNumber="AB1235"), before)) == {"lotNumber", "identifier"}
    again = built(of("correct", lotNumber=None, occurrenceString="in the morning"), before)
    assert changed(before, again) == {"lotNumber", "occurrenceDateTime", "occurrenceString", "identifier"}
    taken_back = built(RETRACT, before)
    assert changed(before, taken_back) == {"status", "note", "identifier"}
    assert taken_back["note"] == [*FULL["note"], {"text": RETRACT["changeReason"]}]


def test_whether_a_dose_was_given_is_not_corrected() -> None:
    for action, current in (
        (of("correct", lotNumber="AB1235"), in_chart(NOT_DONE)),
        (of("correct", lotNumber=None, statusReason={"text": "refused"}), in_chart()),
    ):
        with pytest.raises(NeedsPersonError) as caught:
            built(action, current)
        assert caught.value.kind == "other_status"


def test_another_vaccine_or_another_patient_s_is_not_taken_back() -> None:
    other = vaccine_code("150", "influenza")
    for over, kind in (
        ({"vaccineCode": other}, "other_vaccine"),
        ({"patient": {"reference": "Patient/p2"}}, "wrong_patient"),
    ):
        with pytest.raises(NeedsPersonError) as caught:
            built(RETRACT, in_chart(**over))
        assert caught.value.kind == kind


def test_a_correction_may_say_that_it_was_another_vaccine() -> None:
    other = vaccine_code("150", "influenza")
    assert built(of("correct", vaccineCode=other), in_chart())["vaccineCode"] == other


@pytest.mark.parametrize(
    ("operation", "name"), [("recordNotDone", "lotNumber"), ("correct", "recorded"), ("retract", "site")]
)
def test_what_an_operation_would_drop_is_refused(operation: str, name: str) -> None:
    action = of(operation, **{name: FULL[name]})
    with pytest.raises(UnsupportedActionError, match=name):
        built(action, None if operation == "recordNotDone" else in_chart())


def test_the_ehr_may_say_when_it_was_recorded_and_nothing_else() -> None:
    (operation,) = planned(RECORD)
    stored = exact_json.parse(operation.body) | {"id": "i1", "recorded": "2026-11-22"}
    assert ADAPTER.differences(operation, stored, SITE) == ()
    for over, name in (({"lotNumber": "AB1235"}, "lotNumber"), ({"primarySource": False}, "primarySource")):
        assert ADAPTER.differences(operation, stored | over, SITE) == (name,)
    (operation,) = planned(FULL)
    stored = exact_json.parse(operation.body) | {"id": "i1", "recorded": "2026-11-21"}
    assert ADAPTER.differences(operation, stored, SITE) == ("recorded",)
