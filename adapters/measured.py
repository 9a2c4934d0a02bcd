"""Quantities at an EHR that fixes its units: sent in one it takes, and compared with what it gives back in another.

A number is converted only where the target unit is one that the EHR names for that code; anything else is refused. How EHRs
round is not always told: a number in another unit may be off by half of its last digit, and by very little of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from adapters import units as units_of
from canonical.code_systems import UCUM
from canonical.errors import UnsupportedActionError

#: Even a coarsely rounded number may be off by no more than this part of what was sent.
_ROUNDED = Fraction(2, 1000)
#: Digits after the point of a number that does not come out even.
_DIGITS = 9
#: What may be lost of a number by that.
_LOST = Decimal("0.00001")


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
        if units_of.commensurable(code, wanted):
            return converted(Decimal(quantity["value"]), code, wanted), word
    raise UnsupportedActionError(f"this EHR takes {what} in {', '.join(units)} only")


def converted(value: Decimal, unit: str, wanted: str) -> Decimal:
    """Return ``value`` of ``unit`` in ``wanted`` (UCUM codes): exactly, where that has an end, else with nine decimals.

    Raises :class:`UnsupportedActionError` where those would say another number.
    """
    rounded = units_of.convert(value, unit, wanted, digits=_DIGITS, tolerance=_LOST)
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
    if not units_of.commensurable(str(first), str(second)):
        return False
    meant, found = units_of.exactly(Decimal(one), str(first), str(second)), Fraction(Decimal(other))
    exponent = Decimal(other).as_tuple().exponent
    half_a_digit = Fraction(10) ** int(exponent) / 2
    return abs(meant - found) <= min(half_a_digit, abs(meant) * _ROUNDED)
