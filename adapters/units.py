"""Quantities in other UCUM units: commensurable or not, converted exactly, rounded as declared, compared. Keeps no table.

What a code means is read in ``adapters.ucum``. No binary floating point anywhere; a number is rounded only where a caller
declares to how many decimals, and only when what is left still says what was said.
"""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from adapters.ucum import NotUnderstoodError, Unit, unit
from canonical.errors import UnsupportedActionError

#: Decimal places to either side of the point.
_FURTHEST = 100
#: Decimals are moved by powers of ten and nothing else, in as many digits as they have.
_WIDE = Context(prec=1000)


class NotConvertibleError(UnsupportedActionError):
    """The value cannot be stated in the other unit without saying something else: send nothing, a person must decide."""


def is_ucum(code: str) -> bool:
    """Whether ``code`` is a UCUM unit (case-sensitive) with which something can be done here."""
    try:
        unit(code)
    except NotUnderstoodError:
        return False
    return True


def commensurable(one: str, other: str) -> bool:
    """Whether a value in the UCUM unit ``one`` can be stated in ``other``; never so for a code that is not understood."""
    try:
        return _line(one, other) is not None
    except NotUnderstoodError:
        return False


def exactly(value: Decimal | Fraction, stated: str, wanted: str) -> Fraction:
    """Return ``value`` of the UCUM unit ``stated`` in ``wanted``, as exact as UCUM's own definitions.

    Raises :class:`NotUnderstoodError` or :class:`NotConvertibleError`.
    """
    if isinstance(value, Decimal) and not _is_sane(value):
        raise NotConvertibleError("a number of this size is no measurement")
    line = _line(stated, wanted)
    if line is None:
        raise NotConvertibleError("a quantity cannot be stated in a unit of another kind")
    start, slope = line
    return start + slope * Fraction(value)


def _is_sane(value: Decimal) -> bool:
    """Whether a fraction can be made of it: ``1E+999999999`` would fill the memory with zeros."""
    return value.is_finite() and int(value.as_tuple().exponent) >= -_FURTHEST and value.adjusted() <= _FURTHEST


@lru_cache(maxsize=1024)
def _line(stated: str, wanted: str) -> tuple[Fraction, Fraction] | None:
    """Return what zero of ``stated`` is in ``wanted``, and what each one more adds; ``None`` for units of two kinds.

    Raises :class:`NotUnderstoodError`.
    """
    here, there = unit(stated), unit(wanted)
    if not here.fits(there):
        return None
    if stated == wanted:
        return Fraction(0), Fraction(1)
    start, one, two = (_moved(Fraction(number), here, there) for number in range(3))
    # Every unit understood here is on a line with its kind: a factor, and for temperatures a start.
    return (start, one - start) if two - one == one - start else None


def _moved(value: Fraction, here: Unit, there: Unit) -> Fraction:
    number = here.of(value).to(there.size.units).magnitude
    return Fraction(number) / Fraction(there.size.magnitude)


def convert(value: Decimal, stated: str, wanted: str, *, digits: int, tolerance: Decimal) -> Decimal:
    """Return ``value`` of the UCUM unit ``stated`` in ``wanted``, rounded half up to ``digits`` decimals.

    In its own unit a value is returned as written. ``tolerance`` is the share of ``value`` (``Decimal("0.001")``: a
    thousandth) by which the result, converted back, may differ from it.

    Raises :class:`NotConvertibleError` beyond that, or for another kind of unit, and :class:`NotUnderstoodError`.
    """
    if stated == wanted and is_ucum(stated):
        return value
    result = rounded(exactly(value, stated, wanted), digits)
    if not near(result, wanted, value, stated, tolerance=tolerance):
        raise NotConvertibleError(
            "stated in the other unit with the digits that are kept there, the value would be another"
        )
    return result


def rounded(number: Fraction, digits: int) -> Decimal:
    """Return ``number`` with exactly ``digits`` decimals, half up (away from zero)."""
    steps = abs(number) * 10**digits + Fraction(1, 2)
    whole = steps.numerator // steps.denominator
    return Decimal(-whole if number < 0 else whole).scaleb(-digits, _WIDE)


def near(value: Decimal, stated: str, reference: Decimal, unit_of_reference: str, *, tolerance: Decimal) -> bool:
    """Whether ``value`` is ``reference`` but for the share ``tolerance`` of ``reference``.

    Raises :class:`NotConvertibleError` or :class:`NotUnderstoodError`.
    """
    back = exactly(value, stated, unit_of_reference)
    return abs(back - Fraction(reference)) <= abs(Fraction(reference)) * Fraction(tolerance)


def is_rounding(stored: Decimal, kept_in: str, sent: Decimal, stated: str, *, digits: int) -> bool:
    """Whether ``stored`` (UCUM ``kept_in``) is ``sent`` (UCUM ``stated``) in that unit, rounded to ``digits`` decimals.

    A tie may have been rounded either way. Raises :class:`NotConvertibleError` or :class:`NotUnderstoodError`.
    """
    step = Fraction(1, 10**digits)
    exact = exactly(sent, stated, kept_in)
    return Fraction(stored) % step == 0 and abs(exact - Fraction(stored)) <= step / 2
