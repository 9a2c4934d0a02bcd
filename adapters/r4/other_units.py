"""Whether a quantity that comes back in another unit, rounded, is the one that was sent; value and unit decide together.

Only the number and its unit may differ: whatever else stands in the quantity, or beside it, still counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters import units
from adapters.r4.comparable import comparable
from adapters.r4.projection import differing
from canonical.code_systems import UCUM
from canonical.errors import UnsupportedActionError
from canonical.vital_signs import unit_meant

_QUANTITY = "valueQuantity"
_NUMBER_AND_UNIT = frozenset({"value", "unit", "code"})


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How an EHR keeps the numbers of one unit: rounded to ``digits`` decimals.

    ``tolerance`` is the share of what was sent that may be lost by it: beyond, nobody could tell the number from its
    neighbours, and it differs. ``text`` is the unit as this EHR writes it for people, where that is not commonly known.
    """

    digits: int
    tolerance: Decimal = Decimal("0.001")
    text: str = ""


#: UCUM code that may come back → how.
KeptUnits = Mapping[str, Kept]


def same_element(sent: Any, stored: Any, kept: KeptUnits) -> bool:
    """Compare a quantity, or a list of components with theirs, place by place."""
    if isinstance(sent, list | tuple) and isinstance(stored, list | tuple):
        return len(sent) == len(stored) and all(_same_part(*pair, kept) for pair in zip(sent, stored, strict=True))
    return _same_quantity(sent, stored, kept)


def _same_part(sent: Any, stored: Any, kept: KeptUnits) -> bool:
    if not isinstance(sent, Mapping) or not isinstance(stored, Mapping):
        return False
    rest = [{name: item for name, item in each.items() if name != _QUANTITY} for each in (sent, stored)]
    return _equal(*rest) and _same_quantity(sent.get(_QUANTITY), stored.get(_QUANTITY), kept)


def _same_quantity(sent: Any, stored: Any, kept: KeptUnits) -> bool:
    if _equal(sent, stored):
        return True
    if not isinstance(sent, Mapping) or not isinstance(stored, Mapping):
        return False
    how = kept.get(str(stored.get("code")))
    return how is not None and _same_frame(sent, stored, how) and _same_number(sent, stored, how)


def _same_frame(sent: Mapping[str, Any], stored: Mapping[str, Any], how: Kept) -> bool:
    """Whether both are in UCUM, nothing else differs, and the stored unit's text names the stored unit."""
    rest = [{name: item for name, item in each.items() if name not in _NUMBER_AND_UNIT} for each in (sent, stored)]
    text = str(stored.get("unit") or stored["code"])
    named = stored["code"] in {text, unit_meant(text)} or text == how.text
    return named and sent.get("system") == UCUM and _equal(*rest)


def _same_number(sent: Mapping[str, Any], stored: Mapping[str, Any], how: Kept) -> bool:
    numbers = [each.get("value") for each in (sent, stored)]
    if any(not isinstance(number, Decimal | int) or isinstance(number, bool) for number in numbers):
        return False
    was, now = (Decimal(str(number)) for number in numbers)
    stated, kept_in = str(sent.get("code")), str(stored["code"])
    try:
        return units.is_rounding(now, kept_in, was, stated, digits=how.digits) and units.near(
            now, kept_in, was, stated, tolerance=how.tolerance
        )
    except UnsupportedActionError:
        return False


def _equal(one: Any, other: Any) -> bool:
    return not differing({"said": comparable(one, "")}, {"said": comparable(other, "")})
