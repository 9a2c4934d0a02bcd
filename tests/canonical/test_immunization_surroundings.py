from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.action import action_specs
from canonical.clinical_time import ClinicalTime
from canonical.immunization_surroundings import SURROUNDINGS, judge, may_be_same_day
from tests.canonical.checked import parsed, through_the_wire
from tests.factories import ABSENT, Json, target_json
from tests.record_factories import CVX, immunization_record_json, vaccine_code

REPORTED: Json = {"primarySource": False, "reportOrigin": {"text": "the patient"}}


def entry(**over: Any) -> Json:
    members: Json = {
        "reference": "Immunization/i9",
        "status": "completed",
        "vaccineCode": vaccine_code(),
        "occurrenceDateTime": "2026-03-10",
    }
    return {name: value for name, value in (members | over).items() if value is not ABSENT}


def kinds(action: Json, *entries: Json, **envelope: Any) -> list[str]:
    found = judge(parsed(action, **envelope), through_the_wire(list(entries)))
    assert all(finding.holds for finding in found)
    return [finding.kind for finding in found]


def test_the_same_vaccine_on_the_same_day_waits_for_a_person() -> None:
    assert kinds(immunization_record_json(), entry()) == ["possible_duplicate"]
    assert kinds(immunization_record_json(), entry(), entry(reference="Immunization/i8")) == ["possible_duplicate"]
    assert kinds(immunization_record_json()) == []


def test_another_day_or_another_vaccine_is_another_dose() -> None:
    assert kinds(immunization_record_json(), entry(occurrenceDateTime="2026-02-10")) == []
    assert kinds(immunization_record_json(), entry(vaccineCode=vaccine_code("150", "influenza"))) == []


@pytest.mark.parametrize("status", ["entered-in-error", "not-done"])
def test_what_is_no_dose_is_no_other_dose(status: str) -> None:
    assert kinds(immunization_record_json(), entry(status=status)) == []


def test_the_code_decides_whatever_the_words_beside_it() -> None:
    other = {"coding": [{"system": CVX, "code": "207"}], "text": "COVID booster"}
    assert kinds(immunization_record_json(), entry(vaccineCode=other)) == ["possible_duplicate"]


def test_a_report_of_a_month_may_be_any_dose_of_it() -> None:
    report = immunization_record_json(**REPORTED, occurrenceDateTime="2026-03")
    assert kinds(report, entry()) == ["possible_duplicate"]
    assert kinds(report, entry(occurrenceDateTime="2026")) == ["possible_duplicate"]
    assert kinds(report, entry(occurrenceDateTime="2026-02-28")) == []


def test_a_day_that_nobody_knows_may_be_any_but_not_that_of_a_dose_given_here() -> None:
    undated = entry(occurrenceDateTime=ABSENT, occurrenceString="as a child")
    assert kinds(immunization_record_json(), undated) == []
    assert kinds(immunization_record_json(**REPORTED), undated) == ["possible_duplicate"]
    words = immunization_record_json(**REPORTED, occurrenceDateTime=ABSENT, occurrenceString="as a child")
    assert kinds(words, entry()) == ["possible_duplicate"]


def test_what_was_given_that_day_is_not_said_to_be_not_given() -> None:
    assert kinds(immunization_record_json("recordNotDone"), entry()) == ["vaccine_given"]
    assert kinds(immunization_record_json("recordNotDone"), entry(status="not-done")) == []


def test_a_correction_is_not_its_own_duplicate_and_does_not_become_another_s() -> None:
    seen = {"vaccineCode": vaccine_code(), "occurrenceDateTime": "2026-02-10"}
    action = immunization_record_json("correct", occurrenceDateTime="2026-03-10", lotNumber=ABSENT)
    target = target_json(action, seen=seen)
    assert kinds(action, entry(reference=target["reference"]), target=target) == []
    assert kinds(action, entry(), target=target) == ["possible_duplicate"]
    by_lot = immunization_record_json("correct")
    assert kinds(by_lot, entry(), target=target_json(by_lot, seen=seen)) == []
    by_command = {name: value for name, value in target.items() if name not in {"reference", "versionId"}}
    by_command["command"] = "11111111-1111-4111-8111-111111111111"
    assert kinds(action, entry(), target=by_command) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2026-03-10", "2026-03-10", True),
        ("2026-03-10", "2026-03-11", False),
        ("2026-03", "2026-03-11", True),
        ("2026", "2025-12", False),
        ("2026-03-10T23:30:00-04:00", "2026-03-11T03:30:00Z", True),
        ("2026-03-10T23:30:00-04:00", "2026-03-10T08:00:00-04:00", True),
        ("2026-03-10T23:30:00-04:00", "2026-03-11T08:00:00-04:00", False),
        ("2026-03-11T02:00:00Z", "2026-03-10", True),
        ("2026-03-11T20:00:00Z", "2026-03-10", False),
        ("2026-03-11T08:00:00-04:00", "2026-03-10", False),
        ("2026-03-11T08:00:00-04:00", "2026-03-11", True),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00-05:00", True),
        ("9999-12-31T23:00:00-05:00", "9999-12-31T23:00:00Z", True),
    ],
)
def test_a_day_is_that_of_whoever_wrote_it(*, one: str, other: str, same: bool) -> None:
    assert may_be_same_day(ClinicalTime(one), ClinicalTime(other)) is same


TIMES = st.one_of(
    st.dates().map(lambda day: day.isoformat()),
    st.dates().map(lambda day: day.isoformat()[:7]),
    st.datetimes().map(lambda time: time.isoformat(timespec="seconds") + "Z"),
    st.datetimes().map(lambda time: time.isoformat(timespec="seconds") + "-05:00"),
).map(ClinicalTime)


@given(TIMES, TIMES)
def test_being_of_one_day_has_no_direction(one: ClinicalTime, other: ClinicalTime) -> None:
    assert may_be_same_day(one, other) is may_be_same_day(other, one)
    assert may_be_same_day(one, one)


def test_an_entry_of_which_little_can_be_read_is_judged() -> None:
    for odd in ({}, {"vaccineCode": "x"}, entry(occurrenceDateTime="yesterday"), entry(occurrenceDateTime=3)):
        assert kinds(immunization_record_json(), odd) == []


def test_the_chart_s_vaccinations_are_read_before_one_is_written() -> None:
    assert action_specs()["ImmunizationRecord"].surroundings is SURROUNDINGS
    assert SURROUNDINGS.resource_types == ("Immunization",)
    assert SURROUNDINGS.operations == {"record", "recordNotDone", "correct"}
