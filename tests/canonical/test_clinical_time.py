from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from canonical.clinical_time import ClinicalInstant, ClinicalTime, SystemTime

TIME = TypeAdapter(ClinicalTime)
INSTANT = TypeAdapter(ClinicalInstant)
SYSTEM = TypeAdapter(SystemTime)
HOUR = timedelta(hours=1)

WRITTEN = [
    "1950",
    "2024-03",
    "2024-02-29",
    "2024-03-08T09:30:00Z",
    "2024-03-08T09:30:00.125+05:45",
    "2024-03-08T09:30:00-10:00",
    "2024-03-08T09:30:00+14:00",
    "9999-12-31",
    "0001",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_clinical_time_is_kept_as_it_was_written(text: str) -> None:
    assert TIME.dump_python(TIME.validate_python(text)) == text
    assert str(ClinicalTime(text)) == text


REFUSED = [
    "", "24-03-08", "2024-13", "2024-02-30", "2023-02-29", "0000", "2024-3-8", "2024-03-08T09:30", "2024-03-08T09:30Z",
    "2024-03-08T09:30:00", "2024-03-08 09:30:00Z", "2024-03-08T24:00:00Z", "2024-03-08T09:30:00+14:01",
    "2024-03-08T09:30:00-15:00", "2024-03-08T09:30:00+05:60", "2024-03-08T09:30:00z", " 2024", "2024\n", "yesterday",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_fhir_does_not_allow_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TIME.validate_python(text)
    message = raised.value.errors(include_input=False)[0]["msg"]
    assert not text.strip() or text not in message


@pytest.mark.parametrize("value", [2024, 20.5, True, None, ["2024"]])
def test_a_time_is_a_string(value: object) -> None:
    with pytest.raises(ValidationError):
        TIME.validate_python(value)


def test_a_partial_date_may_be_anywhere_on_earth_and_is_never_completed() -> None:
    month = ClinicalTime("2024-02")
    assert month.interval == (datetime(2024, 1, 31, 10, tzinfo=UTC), datetime(2024, 3, 1, 14, tzinfo=UTC))
    assert not month.is_full_date
    assert not month.is_instant
    assert ClinicalTime("2024-02-29").is_full_date
    assert not ClinicalTime("2024-02-29").is_instant


def test_a_day_is_not_in_the_future_while_it_may_be_today_somewhere() -> None:
    today = datetime(2024, 3, 8, 23, 0, tzinfo=UTC)
    assert not ClinicalTime("2024-03-09").is_after(today)
    assert ClinicalTime("2024-03-10").is_after(today)
    assert ClinicalTime("2025").is_after(today)
    assert not ClinicalTime("2024").is_after(today)


def test_before_and_after_hold_of_the_whole_written_time() -> None:
    noon = datetime(2024, 3, 8, 12, 0, tzinfo=UTC)
    second = ClinicalTime("2024-03-08T12:00:00Z")
    assert not second.is_before(noon)
    assert not second.is_after(noon)
    assert second.is_before(noon + timedelta(seconds=1))
    assert ClinicalTime("2024-03-08T12:00:00.5Z").is_after(noon)


@pytest.mark.parametrize(("text", "utc"), [
    ("2024-03-08T00:30:00+14:00", datetime(2024, 3, 7, 10, 30, tzinfo=UTC)),
    ("2024-03-08T23:30:00-10:00", datetime(2024, 3, 9, 9, 30, tzinfo=UTC)),
])  # fmt: skip
def test_the_far_ends_of_the_zones_fall_on_other_days(text: str, utc: datetime) -> None:
    assert ClinicalTime(text).interval[0] == utc


def test_the_hour_that_comes_twice_in_autumn_stays_two_hours() -> None:
    first, second = ClinicalTime("2024-11-03T01:30:00-04:00"), ClinicalTime("2024-11-03T01:30:00-05:00")
    assert second.interval[0] - first.interval[0] == HOUR
    assert not first.is_same_instant(second)
    assert first.is_before(second.interval[0])


def test_the_hour_that_is_missing_in_spring_is_not_counted() -> None:
    before, after = ClinicalTime("2024-03-10T01:59:59-05:00"), ClinicalTime("2024-03-10T03:00:00-04:00")
    assert after.interval[0] - before.interval[0] == timedelta(seconds=1)
    wall = datetime(2024, 3, 10, 3, 0, tzinfo=ZoneInfo("America/New_York"))
    assert after.interval[0] == wall


def test_one_instant_in_two_zones_is_the_same_and_another_precision_is_not() -> None:
    assert ClinicalTime("2024-03-08T12:00:00Z").is_same_instant(ClinicalTime("2024-03-08T07:00:00-05:00"))
    assert not ClinicalTime("2024-03-08T12:00:00Z").is_same_instant(ClinicalTime("2024-03-08T12:00:00.000Z"))
    assert not ClinicalTime("2024-03-08").is_same_instant(ClinicalTime("2024-03"))


@pytest.mark.parametrize("text", ["0001", "0001-01-01T00:00:00+14:00", "9999", "9999-12-31T23:59:59.9-14:00"])
def test_the_ends_of_the_calendar_can_be_compared(text: str) -> None:
    time = ClinicalTime(text)
    now = datetime(2024, 3, 8, tzinfo=UTC)
    assert time.is_before(now) is text.startswith("0001")
    assert time.is_after(now) is text.startswith("9999")
    assert time.interval[0] <= time.interval[1]


@given(st.dates(min_value=date(1, 1, 1)))
def test_every_day_lies_inside_its_month_and_its_year(day: date) -> None:
    inner = ClinicalTime(day.isoformat()).interval
    for text in (day.isoformat()[:7], day.isoformat()[:4]):
        outer = ClinicalTime(text).interval
        assert outer[0] <= inner[0] < inner[1] <= outer[1]


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_an_instant_is_the_same_whatever_zone_it_is_written_in(utc: datetime, minutes: int) -> None:
    utc = utc.replace(microsecond=0)
    local, sign = utc + timedelta(minutes=minutes), "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert ClinicalTime(f"{local.isoformat()}{offset}").is_same_instant(ClinicalTime(f"{utc.isoformat()}Z"))


def test_a_date_is_no_instant() -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python("2024-03-08")


def test_system_time_is_kept_in_utc_and_leaves_as_text() -> None:
    value = SYSTEM.validate_python("2024-03-08T09:30:00-05:00")
    assert value == datetime(2024, 3, 8, 14, 30, tzinfo=UTC)
    assert value.utcoffset() == timedelta(0)
    assert SYSTEM.dump_python(value) == "2024-03-08T14:30:00+00:00"


@pytest.mark.parametrize(
    "value",
    ["2024-03-08T09:30:00", "2024-03-08", datetime(2024, 3, 8), 1_709_890_200, "0001-01-01T00:00:00+14:00"],  # noqa: DTZ001
    ids=str,
)
def test_a_system_time_without_a_zone_has_no_meaning(value: object) -> None:
    with pytest.raises(ValidationError):
        SYSTEM.validate_python(value)


def test_the_json_schema_describes_a_fhir_date_time() -> None:
    schema = TIME.json_schema()
    assert schema["type"] == "string"
    assert "?P<" not in schema["pattern"]
