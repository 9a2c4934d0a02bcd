"""Quantities at an EHR that fixes its units: sent in one it takes, and compared with what it gives back in another.

A number is converted only where the target unit is one that the EHR names for that code; anything else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from canonical.errors import UnsupportedActionError

UCUM = "http://unitsofmeasure.org"
#: UCUM code → (what it measures, factor to that, offset). International pound, ounce and inch by definition; source: UCUM.
_UNITS: Mapping[str, tuple[str, Fraction, Fraction]] = {
    "kg": ("kg", Fraction(1), Fraction(0)),
    "g": ("kg", Fraction(1, 1000), Fraction(0)),
    "[lb_av]": ("kg", Fraction("0.45359237"), Fraction(0)),
    "[oz_av]": ("kg", Fraction("0.028349523125"), Fraction(0)),
    "cm": ("cm", Fraction(1), Fraction(0)),
    "m": ("cm", Fraction(100), Fraction(0)),
    "[in_i]": ("cm", Fraction("2.54"), Fraction(0)),
    "Cel": ("Cel", Fraction(1), Fraction(0)),
    "[degF]": ("Cel", Fraction(5, 9), Fraction(-160, 9)),
}
#: Even a coarsely rounded number may be off by no more than this part of what was sent.
_ROUNDED = Fraction(5, 1000)
#: Digits after the point of a number that does not come out even.
_DIGITS = 6


def in_a_unit_of(quantity: Mapping[str, Any], units: Mapping[str, str], what: str) -> tuple[Decimal | int, str]:
    """Return the number and the EHR's own word for its unit; ``units`` maps UCUM codes to those words, preferred first.

    As it is where the EHR takes its unit, else converted. Raises :class:`UnsupportedActionError` where that cannot be.
    """
    code = str(quantity.get("code")) if quantity.get("system") == UCUM else ""
    if quantity.get("comparator") is not None or quantity.get("value") is None:
        raise UnsupportedActionError(f"this EHR takes a plain number as {what}")
    if code in units:
        return quantity["value"], units[code]
    for wanted, word in units.items():
        if _kind(code) is not None and _kind(code) == _kind(wanted):
            return converted(Decimal(quantity["value"]), code, wanted), word
    raise UnsupportedActionError(f"this EHR takes {what} in {', '.join(units)} only")


def converted(value: Decimal, unit: str, wanted: str) -> Decimal:
    """Return ``value`` of ``unit`` in ``wanted`` (UCUM codes): exactly, where that has an end, else with six decimals."""
    _, factor, offset = _UNITS[wanted]
    number = (_base(value, unit) - offset) / factor
    rounded = Decimal(round(number * 10**_DIGITS)).scaleb(-_DIGITS)
    whole = rounded == rounded.to_integral_value()
    return rounded.quantize(Decimal(1)) if whole else rounded.normalize()


def same_amount(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether two ``Quantity`` state the same amount: by number in one unit, within the rounding of ``stored`` in another."""
    one, other = sent.get("value"), stored.get("value")
    first, second = sent.get("code"), stored.get("code")
    if one is None or other is None or sent.get("comparator") != stored.get("comparator"):
        return False
    if first == second:
        return bool(one == other)
    if _kind(first) is None or _kind(first) != _kind(second):
        return False
    meant, found = _base(Decimal(one), str(first)), _base(Decimal(other), str(second))
    exponent = Decimal(other).as_tuple().exponent
    half_a_digit = Fraction(10) ** int(exponent) / 2 * _UNITS[str(second)][1]
    return abs(meant - found) <= min(half_a_digit, abs(meant) * _ROUNDED)


def _kind(code: object) -> str | None:
    found = _UNITS.get(code) if isinstance(code, str) else None
    return found[0] if found is not None else None


def _base(value: Decimal, unit: str) -> Fraction:
    _, factor, offset = _UNITS[unit]
    return Fraction(value) * factor + offset
