from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from canonical.clinical_time import ClinicalTime
from canonical.encounter_match import check_encounter
from canonical.errors import NeedsPersonError
from tests.factories import EFFECTIVE, Json


def encounter(**over: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "status": "in-progress",
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-03-10T13:00:00Z", "end": "2026-03-10T15:00:00Z"},
    } | over


def kind(chart: Json | None, time: str | None = EFFECTIVE, hours: int = 1) -> str:
    try:
        check_encounter(
            chart,
            patients={"Patient/p1"},
            clinical_time=ClinicalTime(time) if time else None,
            tolerance=timedelta(hours=hours),
        )
    except NeedsPersonError as stopped:
        return stopped.kind
    return ""


def test_the_patient_s_own_encounter_at_that_time_passes() -> None:
    assert kind(encounter()) == ""
    assert kind(encounter(subject={"reference": "https://ehr.example/fhir/Patient/p1"})) == ""


@pytest.mark.parametrize("over", [
    {"subject": {"reference": "Patient/p11"}},
    {"subject": {"reference": "XPatient/p1"}},
    {"subject": {"display": "Ana"}},
    {"subject": None},
    {"status": "cancelled"},
    {"status": "entered-in-error"},
], ids=str)  # fmt: skip
def test_another_s_or_a_void_encounter_goes_to_a_person(over: Json) -> None:
    assert kind(encounter(**over)) == "wrong_encounter"


def test_an_encounter_that_is_not_there_goes_to_a_person() -> None:
    assert kind(None) == "wrong_encounter"


@pytest.mark.parametrize(("time", "inside"), [
    ("2026-03-10T12:00:00Z", True),
    ("2026-03-10T11:59:58Z", False),
    ("2026-03-10T16:00:01Z", True),
    ("2026-03-10T16:00:02Z", False),
    ("2026-03-10", True),
    ("2026-03", True),
    ("2026-03-08", False),
    ("2026-03-10T23:30:00+10:00", True),
    (None, True),
], ids=str)  # fmt: skip
def test_the_time_lies_inside_within_the_tolerance(time: str | None, *, inside: bool) -> None:
    assert kind(encounter(), time) == ("" if inside else "encounter_time")


@pytest.mark.parametrize(
    "period", [None, {}, {"start": "2026-03-10T13:00:00Z"}, {"end": "2026-03-10T15:00:00Z"}], ids=str
)
def test_an_open_end_contains_all_that_is_on_its_side(period: Json | None) -> None:
    assert kind(encounter(period=period)) == ""


def test_times_of_the_chart_that_cannot_be_read_go_to_a_person() -> None:
    assert kind(encounter(period={"start": "yesterday"})) == "encounter_time"
