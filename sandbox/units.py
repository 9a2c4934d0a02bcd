"""Conversions between the units that EHRs keep vital signs in; not a unit library.

Source: ucum.org; the factors to SI are exact by definition (international pound, ounce and inch).
"""

from decimal import ROUND_HALF_UP, Decimal

#: UCUM code → (dimension, factor to its base unit, offset added before the factor)
_UNITS: dict[str, tuple[str, Decimal, Decimal]] = {
    "g": ("mass", Decimal(1), Decimal(0)),
    "kg": ("mass", Decimal(1000), Decimal(0)),
    "[lb_av]": ("mass", Decimal("453.59237"), Decimal(0)),
    "[oz_av]": ("mass", Decimal("28.349523125"), Decimal(0)),
    "cm": ("length", Decimal(1), Decimal(0)),
    "m": ("length", Decimal(100), Decimal(0)),
    "[in_i]": ("length", Decimal("2.54"), Decimal(0)),
    "Cel": ("temperature", Decimal(1), Decimal(0)),
    "[degF]": ("temperature", Decimal(5) / Decimal(9), Decimal(-32)),
}


def convertible(one: str, other: str) -> bool:
    """Whether both units (UCUM) are of the same dimension."""
    return one in _UNITS and other in _UNITS and _UNITS[one][0] == _UNITS[other][0]


def converted(value: Decimal, unit: str, to: str, *, places: int) -> Decimal:
    """The value in another unit, rounded half up to so many decimal places.

    Raises:
        ValueError: the units are not of one dimension.
    """
    if not convertible(unit, to):
        raise ValueError(f"{unit} is no {to}")
    _, factor, offset = _UNITS[unit]
    _, to_factor, to_offset = _UNITS[to]
    exact = (value + offset) * factor / to_factor - to_offset
    return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
