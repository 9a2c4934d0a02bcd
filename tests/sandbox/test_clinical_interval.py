import pytest

from sandbox.clinical_interval import FOREVER, interval_of, interval_of_element

SECOND = 1_000_000
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("text", "low", "width"),
    [
        ("1970", 0, 365 * DAY),
        ("1972", 730 * DAY, 366 * DAY),
        ("1970-02", 31 * DAY, 28 * DAY),
        ("1972-02", 761 * DAY, 29 * DAY),
        ("1970-01-02", DAY, DAY),
        ("1970-01-01T01:00Z", 3600 * SECOND, 60 * SECOND),
        ("1970-01-01T01:00:00+01:00", 0, SECOND),
        ("1969-12-31T22:00:00-02:00", 0, SECOND),
        ("1970-01-01T00:00:00.5Z", 500_000, 100_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456, 1),
    ],
)
def test_a_date_covers_what_its_precision_says(text: str, low: int, width: int) -> None:
    assert interval_of(text) == (low, low + width)


@pytest.mark.parametrize("text", ["", "26", "2026-13", "2026-1-1", "2026-01-01 10:00", "2026-01-01T25:00:00Z"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        interval_of(text)


def test_an_open_period_has_no_end() -> None:
    assert interval_of_element({"start": "1970-01-01"}) == (0, FOREVER)
    assert interval_of_element({"end": "1970-01-01"}) == (-FOREVER, DAY)


def test_what_holds_no_date_covers_nothing() -> None:
    assert interval_of_element({"text": "yesterday"}) is None
