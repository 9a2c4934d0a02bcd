from datetime import UTC, datetime, timedelta

import pytest

from adapters.retry_after import retry_after
from adapters.wire import Answer

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sunday, 22-Nov-26 12:00:10 GMT", 10),
        ("9" * 400, 86_400),
        ("Tue, 22 Nov 2099 12:00:00 GMT", 86_400),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_wish_is_read_as_seconds_or_as_a_date(text: str, seconds: int | None) -> None:
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(Answer(status=429, headers={"retry-after": text}), NOW) == wanted


def test_no_header_is_no_wish() -> None:
    assert retry_after(Answer(status=429), NOW) is None


@pytest.mark.parametrize(
    ("text", "status", "seconds"),
    [
        ('"requests";r=0;t=12, "fhirInteractions";r=40;t=55', 429, 12),
        ('"requests";r=0;t=12, "fhirInteractions"; r=0; t=55', 429, 55),
        ('"requests";r=3;t=12, "fhirInteractions";r=1;t=20', 429, 20),
        ('"requests";r=3;t=12', 200, None),
        ('"requests";r=0;t=999999', 429, 86_400),
        ("anything", 429, None),
    ],
)
def test_wish_is_read_from_the_limits_where_nothing_else_states_it(text: str, status: int, seconds: int | None) -> None:
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(Answer(status=status, headers={"ratelimit": text}), NOW) == wanted


def test_plain_wish_goes_before_the_limits() -> None:
    headers = {"retry-after": "3", "ratelimit": '"requests";r=0;t=12'}
    assert retry_after(Answer(status=429, headers=headers), NOW) == timedelta(seconds=3)
