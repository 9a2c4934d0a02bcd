"""Whether a dosage's SIG text and its structure state the same numbers; a doubt goes to a person, neither is corrected."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from canonical.code_systems import GTS_ABBREVIATION
from canonical.sig_text import Rate, amounts, rates, unit

if TYPE_CHECKING:
    from canonical.datatypes import Quantity, Ratio
    from canonical.dosage import Dosage, Timing, TimingRepeat

_DAYS = {
    "s": Fraction(1, 86_400),
    "min": Fraction(1, 1_440),
    "h": Fraction(1, 24),
    "d": Fraction(1),
    "wk": Fraction(7),
    "mo": Fraction(30),
    "a": Fraction(365),
}
_CODE_RATES = {
    "QD": Fraction(1),
    "BID": Fraction(2),
    "TID": Fraction(3),
    "QID": Fraction(4),
    "QOD": Fraction(1, 2),
    "Q4H": Fraction(6),
    "Q6H": Fraction(4),
    "Q8H": Fraction(3),
    "AM": Fraction(1),
    "PM": Fraction(1),
    "BED": Fraction(1),
    "WK": Fraction(1, 7),
    "MO": Fraction(1, 30),
}
#: "Once a month" and "every 30 days" are one statement; nothing finer is rounded away.
_TOLERANCE = Fraction(5, 100)


def disagreements(dosage: Dosage, strength: Ratio | None) -> list[str]:
    """Return ``dose`` and/or ``frequency`` where both text and structure state it and no number of theirs agrees.

    ``strength`` (of the medicine) lets "2 tablets" be held against 20 mg.
    """
    found = []
    if any(not _dose_agrees(one, dosage.text, strength) for one in _doses(dosage)):
        found.append("dose")
    structured, written = structured_rate(dosage.timing), rates(dosage.text)
    if structured is not None and written and not any(_overlap(structured, rate) for rate in written):
        found.append("frequency")
    return found


def _doses(dosage: Dosage) -> list[Quantity]:
    ends = [
        end
        for one in dosage.dose_and_rate or ()
        for end in (one.dose_quantity, *((one.dose_range.low, one.dose_range.high) if one.dose_range else ()))
    ]
    return [end for end in ends if end is not None]


def _measured(quantity: Quantity | None) -> tuple[str, Fraction] | None:
    """Return what a quantity measures and how much of its base, if its unit is one that texts use."""
    if quantity is None or quantity.value is None:
        return None
    known = unit(quantity.unit) or unit(quantity.code)
    return (known[0], Fraction(quantity.value) * known[1]) if known else None


def _dose_agrees(dose: Quantity, text: str, strength: Ratio | None) -> bool:
    measured = _measured(dose)
    if measured is None:
        return True
    kind, amount = measured
    written = amounts(text)
    stated = {value for other, value in written if other == kind}
    implied = _implied(kind, written, strength)
    return amount in stated | implied or not stated | implied


def _implied(kind: str, written: list[tuple[str, Fraction]], strength: Ratio | None) -> set[Fraction]:
    """Return what the text's amounts of other kinds come to: counted things by strength, or by the amount beside them."""
    top, bottom = (_measured(strength.numerator), _measured(strength.denominator)) if strength else (None, None)
    found = set()
    if top and bottom and top[1] and bottom[1]:
        each = top[1] / bottom[1]
        found |= {value * each for other, value in written if other == bottom[0] and kind == top[0]}
        found |= {value / each for other, value in written if other == top[0] and kind == bottom[0]}
    if kind == "mass":
        counts = {value for other, value in written if other not in {"mass", "volume", "units"}}
        found |= {count * value for count in counts for other, value in written if other == kind}
    return found


def structured_rate(timing: Timing | None) -> Rate | None:
    """Return how often a day the structure says it is taken (least, most); ``None`` when it does not say."""
    if timing is None:
        return None
    if timing.repeat is not None:
        return _repeat_rate(timing.repeat)
    often = _CODE_RATES.get((timing.code.code_in(GTS_ABBREVIATION) or "") if timing.code else "")
    return (often, often) if often else None


def _repeat_rate(repeat: TimingRepeat) -> Rate | None:
    """Frequency per period, thinned out to the days of the week where there are any."""
    moments = len(repeat.time_of_day or repeat.when or ())
    share = Fraction(len(repeat.day_of_week), 7) if repeat.day_of_week else Fraction(1)
    if repeat.period is None and not moments and not repeat.day_of_week:
        return None
    if repeat.day_of_week and repeat.period and repeat.period_unit == "wk":
        # The days already say how often in a week: a frequency beside them only counts them once more.
        often = max(moments, 1) * share / Fraction(repeat.period)
        return often, often
    least = Fraction(repeat.frequency or moments or 1)
    most = max(least, Fraction(repeat.frequency_max or 0))
    unit_days = _DAYS[repeat.period_unit or "d"]
    shortest = Fraction(repeat.period if repeat.period is not None else 1) * unit_days
    longest = max(shortest, Fraction(repeat.period_max or 0) * unit_days)
    return (share * least / longest, share * most / shortest) if shortest else None


def _overlap(one: Rate, other: Rate) -> bool:
    return one[0] <= other[1] * (1 + _TOLERANCE) and other[0] <= one[1] * (1 + _TOLERANCE)
