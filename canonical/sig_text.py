"""The numbers that a SIG text states, read only to be held against the structured dose; nothing is ever made from them.

It reads what it is sure of: an amount beside a unit, and common words for how often. What it cannot read contradicts nothing.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache

from canonical.medication_safety import counted_unit, safety_lists

#: (what is measured, how much of its base one unit is).
Unit = tuple[str, Fraction]
#: How often, per day: least and most.
Rate = tuple[Fraction, Fraction]

_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("mg", "milligram", "milligrams"), ("mass", Fraction(1))),
    **dict.fromkeys(("mcg", "ug", "µg", "μg", "microgram", "micrograms"), ("mass", Fraction(1, 1000))),
    **dict.fromkeys(("g", "gm", "gram", "grams"), ("mass", Fraction(1000))),
    **dict.fromkeys(("ml", "milliliter", "milliliters", "millilitre", "millilitres"), ("volume", Fraction(1))),
    **dict.fromkeys(("l", "liter", "liters", "litre", "litres"), ("volume", Fraction(1000))),
    **dict.fromkeys(("unit", "units", "iu", "[iu]", "international units"), ("units", Fraction(1))),
    "meq": ("milliequivalents", Fraction(1)),
    "mmol": ("millimoles", Fraction(1)),
}
_WORDS = {
    word: Fraction(at)
    for at, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"half": Fraction(1, 2), "½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4)}
#: At most nine digits and no division by zero: a longer one is no dose, and converting it would only cost time.
_NUMBER = (
    r"(?:(?:\d{1,6}\s)?\d{1,3}/[1-9]\d{0,2}|\d{1,3}(?:,\d{3}){1,2}(?:\.\d{1,6})?|\d{0,6}\.\d{1,6}|\d{1,6}[½¼¾]?"
    rf"|{'|'.join(_WORDS)})(?!\d)"
)

_DAY = Fraction(1)
_PERIODS = {
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), _DAY / 24),
    **dict.fromkeys(("minute", "minutes", "min"), _DAY / 1440),
    **dict.fromkeys(("day", "days", "d"), _DAY),
    **dict.fromkeys(("week", "weeks", "wk", "weekly"), _DAY * 7),
    **dict.fromkeys(("month", "months", "mo", "monthly"), _DAY * 30),
    "daily": _DAY,
}
_TIMES = {"once": Fraction(1), "twice": Fraction(2), "thrice": Fraction(3)}
_FIXED = {
    r"b\.?i\.?d\b": Fraction(2),
    r"t\.?i\.?d\b": Fraction(3),
    r"q\.?i\.?d\b": Fraction(4),
    r"q\.?o\.?d\b|every other day": Fraction(1, 2),
    r"q\.?d\b|q\.?h\.?s\b|nightly|daily|every (?:day|morning|evening|night)|(?:each|per|a) day|at bedtime": Fraction(1),
    r"weekly|every week|(?:each|per|a) week|every (?:mon|tues|wednes|thurs|fri|satur|sun)day": Fraction(1, 7),
    r"monthly|every month|(?:each|per|a) month": Fraction(1, 30),
}
_PERIOD = r"(?P<period>hours?|hrs?|h|minutes?|min|days?|d|weeks?|wk|months?|mo)\b"
_EVERY = re.compile(rf"\b(?:every|q)\s*(?P<low>{_NUMBER})(?:\s*(?:-|–|to)\s*(?P<high>{_NUMBER}))?\s*-?\s*{_PERIOD}")
_OFTEN = re.compile(
    rf"\b(?:(?P<times>once|twice|thrice)|(?P<low>{_NUMBER})(?:\s*(?:-|–|to)\s*(?P<high>{_NUMBER}))?\s*(?:times|x))\s+"
    r"(?:an?\s+|per\s+|each\s+|every\s+|in\s+an?\s+)?(?P<period>day|daily|week|weekly|month|monthly)\b"
)


@cache
def _amount() -> re.Pattern[str]:
    """An amount that is taken: a strength (``10 mg/5 mL``) or a dose by weight (``8 mg/kg``) is none."""
    counted = "|".join(sorted(map(re.escape, safety_lists().counted), key=len, reverse=True))
    known = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
    return re.compile(
        rf"(?<![\w.,/])(?P<low>{_NUMBER})(?:\s*(?:-|–|to|or)\s*(?P<high>{_NUMBER}))?(?:\s*\({_NUMBER}\))?\s*-?\s*"
        rf"(?:of\s+)?(?:an?\s+)?(?P<unit>{known}|(?:{counted})(?:e?s|\(s\))?)(?![\w])(?!\s*/)"
    )


def _plain(text: str) -> str:
    """Return ``text`` in lower case with single spaces: the patterns below may then never wander through long gaps."""
    return " ".join(text.casefold().split())


def number(text: str) -> Fraction:
    """Return the number that ``text`` (as the patterns here find it) writes in digits, as a fraction or as a word."""
    word = _plain(text)
    if word in _WORDS:
        return _WORDS[word]
    if word[-1] in _WORDS:
        return Fraction(word[:-1]) + _WORDS[word[-1]]
    whole, _, part = word.rpartition(" ")
    return Fraction(part.replace(",", "")) + (Fraction(whole) if whole else 0)


def unit(text: str | None) -> Unit | None:
    """Return what a unit written for people measures, if it is one we know."""
    word = (text or "").casefold().strip()
    counted = counted_unit(word)
    return (counted, Fraction(1)) if counted else _UNITS.get(word)


def amounts(text: str) -> list[tuple[str, Fraction]]:
    """Return every amount that ``text`` states: what is measured, and how much of its base (mg, mL, one)."""
    found = []
    for match in _amount().finditer(_plain(text)):
        known = unit(match["unit"])
        if known is not None:
            found += [(known[0], number(end) * known[1]) for end in (match["low"], match["high"]) if end]
    return found


def rates(text: str) -> list[Rate]:
    """Return how often a day ``text`` says it is taken, once for each way in which it says so."""
    found: list[Rate | None] = []

    def take(match: re.Match[str]) -> str:
        found.append(_rate(match))
        return " "

    rest = _OFTEN.sub(take, _EVERY.sub(take, _plain(text)))
    for pattern, rate in _FIXED.items():
        rest, count = re.subn(rf"(?<!\w)(?:{pattern})", " ", rest)
        found += [(rate, rate)] * bool(count)
    return [rate for rate in found if rate is not None]


def _rate(match: re.Match[str]) -> Rate | None:
    """Return what one wording says; ``None`` for "every 0 hours", which says nothing."""
    members = match.groupdict()
    period = _PERIODS[match["period"]]
    if members.get("times"):
        often = _TIMES[match["times"]]
        return often / period, often / period
    low = number(match["low"])
    low, high = sorted((low, number(match["high"]) if match["high"] else low))
    if match.re is _EVERY:
        return (1 / (high * period), 1 / (low * period)) if low else None
    return low / period, high / period
