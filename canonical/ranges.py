"""When a measured number cannot be, needs a second look, or is critical, by age; never a diagnosis and never an alarm.

The thresholds are data with an owner and a date: ``data/vital_ranges.toml``. Comparison is exact: no number is rounded
and none that is compared here is ever sent.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canonical.clinical_time import ClinicalTime

Limits = tuple[Fraction, Fraction]
#: An age in days, as the least and the most that birth date and clinical time allow.
Age = tuple[int, int]

#: (stated in, limits in) → factor and offset. International pound and inch by definition; source: UCUM.
_CONVERSIONS: dict[tuple[str, str], tuple[Fraction, Fraction]] = {
    ("g", "kg"): (Fraction(1, 1000), Fraction(0)),
    ("[lb_av]", "kg"): (Fraction("0.45359237"), Fraction(0)),
    ("[in_i]", "cm"): (Fraction("2.54"), Fraction(0)),
    ("[degF]", "Cel"): (Fraction(5, 9), Fraction(-160, 9)),
}
#: A new weight this far from the last one within a week is more often a slip than a change.
_WEIGHT_CHANGE = Fraction(10, 100)
_WEIGHT_CHANGE_DAYS = 7
#: Pounds written as kilograms, and the reverse, each within a twentieth.
_WEIGHT_UNIT_FACTORS = (Fraction("2.2046"), Fraction("0.4536"))
_WEIGHT_UNIT_TOLERANCE = Fraction(5, 100)


class Verdict(StrEnum):
    """What the thresholds say about one number."""

    USUAL = "usual"
    #: Plausible and dangerous: written at once and marked.
    CRITICAL = "critical"
    #: Passes only when its author says so again.
    IMPLAUSIBLE = "implausible"
    #: Refused.
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, kw_only=True)
class _Row:
    unit: str
    impossible: Limits
    implausible: dict[str, Limits]
    critical: dict[str, Limits]


@dataclass(frozen=True, kw_only=True)
class RangeTable:
    """All thresholds with who answers for them: ``owner`` and ``reviewed`` (a date)."""

    owner: str
    reviewed: date
    bands: tuple[tuple[str, int], ...]
    rows: dict[str, _Row]


def _limits(pair: Iterable[Decimal | int]) -> Limits:
    low, high = pair
    return Fraction(low), Fraction(high)


def _row(data: dict[str, Any]) -> _Row:
    return _Row(
        unit=data["unit"],
        impossible=_limits(data["impossible"]),
        implausible={band: _limits(pair) for band, pair in data["implausible"].items()},
        critical={band: _limits(pair) for band, pair in data.get("critical", {}).items()},
    )


@cache
def range_table() -> RangeTable:
    """Return the thresholds in force."""
    text = files("canonical").joinpath("data/vital_ranges.toml").read_text("utf-8")
    data = tomllib.loads(text, parse_float=Decimal)
    return RangeTable(
        owner=data["owner"],
        reviewed=data["reviewed"],
        bands=tuple((band["name"], band["from_days"]) for band in data["band"]),
        rows={vital: _row(row) for vital, row in data["range"].items()},
    )


def age_at(birth_date: str | None, time: ClinicalTime | None) -> Age | None:
    """Return the age at ``time``, or ``None`` when either is unknown; ``birth_date`` is ``YYYY-MM-DD``."""
    if birth_date is None or time is None:
        return None
    born = date.fromisoformat(birth_date)
    first, last = time.interval
    return (first.date() - born).days, (last.date() - born).days


def _bands(age: Age | None) -> list[str]:
    """Return the age bands that ``age`` touches: all of them when it is unknown."""
    bands = range_table().bands
    if age is None:
        return [name for name, _ in bands]
    ends = [start for _, start in bands[1:]] + [10**6]
    touched = [name for (name, start), end in zip(bands, ends, strict=True) if age[0] < end and age[1] >= start]
    return touched or [bands[0][0]]


def _widest(by_band: dict[str, Limits], bands: list[str]) -> Limits | None:
    """Return the union of the limits; ``None`` when one of the bands has none, which is the widest there is."""
    chosen = [by_band[band] for band in bands if band in by_band]
    if len(chosen) < len(bands):
        return None
    return min(low for low, _ in chosen), max(high for _, high in chosen)


def _inside(value: Fraction, limits: Limits | None) -> bool:
    return limits is None or limits[0] <= value <= limits[1]


def in_unit(value: Decimal, unit: str, wanted: str) -> Fraction:
    """Return ``value`` of ``unit`` in ``wanted`` (UCUM codes), exactly; for comparing only, never for sending.

    Raises :class:`KeyError` when the pair is not declared: a defect of the table.
    """
    if unit == wanted:
        return Fraction(value)
    factor, offset = _CONVERSIONS[unit, wanted]
    return Fraction(value) * factor + offset


def judge(vital: str, value: Decimal, unit: str, age: Age | None) -> Verdict:
    """Return what the thresholds of ``vital`` (a key of them) say about ``value`` in ``unit`` (UCUM) at ``age``."""
    row = range_table().rows[vital]
    number = in_unit(value, unit, row.unit)
    if not _inside(number, row.impossible):
        return Verdict.IMPOSSIBLE
    bands = _bands(age)
    if not _inside(number, _widest(row.implausible, bands)):
        return Verdict.IMPLAUSIBLE
    return Verdict.USUAL if _inside(number, _widest(row.critical, bands)) else Verdict.CRITICAL


def weight_slip(previous: Decimal, current: Decimal, days: int) -> str | None:
    """Return why ``current`` (kg) needs a second look after ``previous`` (kg, charted ``days`` before), if it does.

    ``pound-kilogram-slip`` or ``weight-change``; ``previous`` must be above 0. For a caller that has read the chart.
    """
    ratio = Fraction(current) / Fraction(previous)
    if any(abs(ratio / factor - 1) <= _WEIGHT_UNIT_TOLERANCE for factor in _WEIGHT_UNIT_FACTORS):
        return "pound-kilogram-slip"
    if abs(days) <= _WEIGHT_CHANGE_DAYS and abs(ratio - 1) > _WEIGHT_CHANGE:
        return "weight-change"
    return None
