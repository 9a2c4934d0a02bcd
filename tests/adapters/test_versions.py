import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.versions import http_date, if_match, version_from_etag, version_of
from canonical.errors import InvalidPayloadError


@pytest.mark.parametrize(
    ("etag", "version"),
    [
        ('W/"0"', "0"),
        ('W/"12793861"', "12793861"),
        ('W/"10-1"', "10-1"),
        ('w/"1"', "1"),
        ('"10-1"', "10-1"),
        (' W/"1" ', "1"),
        ("138", "138"),
        ('W/"4f1c9a2e-0b1d-4a57-9f5e-3d2c1b0a9f8e"', "4f1c9a2e-0b1d-4a57-9f5e-3d2c1b0a9f8e"),
        ("", None),
        ("*", None),
        ('W/""', None),
        ('"1", "2"', None),
    ],
)
def test_version_is_what_stands_in_the_tag_and_nothing_else(etag: str, version: str | None) -> None:
    assert version_from_etag(etag) == version


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), min_size=1, max_size=64))
def test_version_survives_the_way_into_if_match_and_back(version: str) -> None:
    assert version_from_etag(if_match(version)) == version


@pytest.mark.parametrize("version", ["", 'a"b', "a\r\nX: y", "a b", "x" * 129])
def test_version_that_no_header_can_carry_is_refused(version: str) -> None:
    with pytest.raises(InvalidPayloadError):
        if_match(version)


def test_zero_is_a_version() -> None:
    assert version_of({"meta": {"versionId": "0"}}) == "0"
    assert version_of({"meta": {}}) is None
    assert version_of({}) is None


@pytest.mark.parametrize(
    ("instant", "date"),
    [
        ("2026-11-22T08:15:00.999-05:00", "Sun, 22 Nov 2026 13:15:00 GMT"),
        ("2026-11-22T13:15:00Z", "Sun, 22 Nov 2026 13:15:00 GMT"),
    ],
)
def test_date_of_a_guard_is_never_later_than_the_instant(instant: str, date: str) -> None:
    assert http_date(instant) == date


@pytest.mark.parametrize("instant", ["", "3", "yesterday", "2026-13-01T00:00:00Z"])
def test_version_that_is_no_instant_cannot_be_stated_as_a_date(instant: str) -> None:
    with pytest.raises(InvalidPayloadError):
        http_date(instant)
