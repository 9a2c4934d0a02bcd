"""System times as people read them: the clock of a place with its zone named, the day, how long between two. No clinical time."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def clock_time(moment: datetime, zone: tzinfo) -> str:
    """Return ``moment`` (aware) as the clock of ``zone`` shows it, with the zone: ``10:12 CET``."""
    there = moment.astimezone(zone)
    name = there.tzname() or ""
    # Places without an abbreviation of their own are known by their distance from UTC.
    named = f"UTC{name}" if name.startswith(("+", "-")) else name
    return f"{there:%H:%M} {named}"


def day(moment: datetime, zone: tzinfo) -> str:
    """Return the day of ``moment`` (aware) in ``zone``: ``26 November 2026``."""
    there = moment.astimezone(zone)
    return f"{there.day} {_MONTHS[there.month - 1]} {there.year}"


def moment_in_words(moment: datetime, zone: tzinfo) -> str:
    """Return clock, zone and day of ``moment`` (aware): ``10:12 CET on 26 November 2026``."""
    return f"{clock_time(moment, zone)} on {day(moment, zone)}"


def between_in_words(first: datetime, last: datetime, zone: tzinfo) -> str:
    """Return the span from ``first`` to ``last`` (aware), its day once where it is one."""
    if day(first, zone) != day(last, zone):
        return f"between {moment_in_words(first, zone)} and {moment_in_words(last, zone)}"
    return f"between {clock_time(first, zone)} and {moment_in_words(last, zone)}"


def length_in_words(length: timedelta) -> str:
    """Return how long ``length`` is in its greatest whole unit, rounded down: ``14 minutes``."""
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        count = abs(length) // unit
        if count:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
