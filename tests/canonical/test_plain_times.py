from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from canonical.plain_times import between_in_words, clock_time, length_in_words, moment_in_words

BERLIN, DHAKA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Dhaka")
MOMENT = datetime(2026, 11, 26, 9, 12, tzinfo=UTC)


def test_a_time_is_that_of_the_place_with_its_zone_named() -> None:
    assert moment_in_words(MOMENT, BERLIN) == "10:12 CET on 26 November 2026"
    assert moment_in_words(MOMENT, UTC) == "09:12 UTC on 26 November 2026"


def test_a_zone_without_a_name_is_told_by_its_distance() -> None:
    assert clock_time(MOMENT, DHAKA) == "15:12 UTC+06"


def test_both_nights_of_the_change_of_clocks_are_told_apart() -> None:
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert (clock_time(first, BERLIN), clock_time(second, BERLIN)) == ("02:30 CEST", "02:30 CET")
    spring = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert clock_time(spring - timedelta(minutes=1), BERLIN) == "01:59 CET"
    assert clock_time(spring, BERLIN) == "03:00 CEST"


def test_a_span_names_its_day_once_or_both_days() -> None:
    assert between_in_words(MOMENT, MOMENT + timedelta(minutes=38), BERLIN) == (
        "between 10:12 CET and 10:50 CET on 26 November 2026"
    )
    assert between_in_words(MOMENT - timedelta(hours=12), MOMENT, BERLIN) == (
        "between 22:12 CET on 25 November 2026 and 10:12 CET on 26 November 2026"
    )


@pytest.mark.parametrize(
    ("length", "told"),
    [
        (timedelta(), "less than a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=14, seconds=59), "14 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=25), "1 day"),
        (timedelta(days=-3), "3 days"),
    ],
)
def test_a_length_is_told_in_its_greatest_whole_unit(length: timedelta, told: str) -> None:
    assert length_in_words(length) == told
