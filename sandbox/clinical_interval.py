"""The stretch of time a FHIR date or period covers, in microseconds since 1970; not a clock."""

import datetime as dt
import re

#: [low, high), microseconds since 1970 UTC
Interval = tuple[int, int]

FOREVER = 2**62
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DATE_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d+))?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)


def interval_of(text: str) -> Interval:
    """The interval a FHIR date, dateTime or instant stands for; without a zone it is read as UTC.

    Raises:
        ValueError: it is no such text; refuse the request.
    """
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError("not a FHIR date or dateTime")
    parts = found.groupdict()
    start = dt.datetime(
        int(parts["year"]),
        int(parts["month"] or 1),
        int(parts["day"] or 1),
        int(parts["hour"] or 0),
        int(parts["minute"] or 0),
        min(int(parts["second"] or 0), 59),
        int((parts["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=_zone(parts["zone"]),
    )
    low = (start - _EPOCH) // _MICROSECOND
    return low, low + _width(parts, start)


def _zone(text: str | None) -> dt.tzinfo:
    if text is None or text == "Z":
        return dt.UTC
    sign = -1 if text[0] == "-" else 1
    return dt.timezone(sign * dt.timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


def _width(parts: dict[str, str | None], start: dt.datetime) -> int:
    if parts["fraction"]:
        return max(10 ** (6 - len(parts["fraction"])) if len(parts["fraction"]) <= 6 else 1, 1)
    if parts["second"]:
        return 1_000_000
    if parts["minute"]:
        return 60_000_000
    if parts["day"]:
        return 86_400_000_000
    days = 366 if parts["month"] is None and _is_leap(start.year) else 365
    if parts["month"]:
        following = (start.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        days = (following - start).days
    return days * 86_400_000_000


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def interval_of_element(element: object) -> Interval | None:
    """The interval of a date element or a Period; None where it holds neither."""
    if isinstance(element, str):
        return interval_of(element)
    if isinstance(element, dict) and ("start" in element or "end" in element):
        low = interval_of(element["start"])[0] if "start" in element else -FOREVER
        high = interval_of(element["end"])[1] if "end" in element else FOREVER
        return low, high
    return None
