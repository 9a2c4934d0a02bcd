"""From the action to the chart and back: whether what the EHR shows still means what was said, compared by other means than ours.

The product compares what it sent with what is stored; a mapping that sends something else than it was told would pass that. Here
the action itself is held against the chart, field by field, with units, codes and times worked out anew.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from adapters.accepted import ATTRIBUTION
from adapters.r4.comparable import comparable
from canonical.ports import Resource
from tests.conformance.desk import Desk
from tests.factories import Json

_NOT_CONTENT = frozenset({"type", "operation"})
#: field → the element in which it stands, where that has another name.
_ELEMENTS: Mapping[str, str] = {"attachment": "content", "content": "content", "docStatus": "extension"}
#: UCUM code → what one of it is, in kilograms or centimetres. Source: international pound, ounce and inch, by definition.
_SIZE: Mapping[str, Fraction] = {
    "kg": Fraction(1),
    "g": Fraction(1, 1000),
    "[lb_av]": Fraction("0.45359237"),
    "[oz_av]": Fraction("0.45359237") / 16,
    "cm": Fraction(1),
    "[in_i]": Fraction("2.54"),
}


def lost(desk: Desk, said: Json, stored: Resource) -> set[str]:
    """Return the fields of an action that the chart does not give back in their meaning, and no declared change explains."""
    projection = desk.ehr.project(stored)
    kept_out = ATTRIBUTION & set(desk.options.get("leaves_out", ()))
    changed = {item.element for item in desk.capabilities.known_changes if item.resource_type == stored["resourceType"]}
    found = set()
    for name, value in said.items():
        if name in _NOT_CONTENT or _is_parts(value):
            continue
        declared = {name, _ELEMENTS.get(name, name)} & changed
        if name not in projection:
            found |= set() if declared or name in kept_out else {name}
        elif not _same(desk, name, value, projection[name]) and (name in _MEANINGS or not declared):
            found.add(name)
    return found


def _is_parts(value: Any) -> bool:
    """Whether a field holds actions: they are entries of their own, and not in this one."""
    items = value if isinstance(value, list) else []
    return any(isinstance(item, dict) and ({"type", "operation"} <= set(item) or "action" in item) for item in items)


def _same(desk: Desk, name: str, said: Any, shown: Any) -> bool:
    if bool(comparable(said, desk.sandbox.url) == shown):
        return True
    compare = _MEANINGS.get(name)
    return compare is not None and compare(desk, said, shown)


def _same_concept(desk: Desk, said: Any, shown: Any) -> bool:
    """Whether the chart names one of the codes that were said, or the EHR's own that the connection maps one of them to."""
    meant = {(item.get("system"), str(item["code"])) for item in said.get("coding", [])}
    tables = desk.options.get("codes", {}).values()
    own = {str(table[f"{system}|{code}"]) for table in tables for system, code in meant if f"{system}|{code}" in table}
    here = {(item.get("system"), str(item["code"])) for item in shown.get("coding", [])}
    reference = str(shown.get("reference", "")).rpartition("-")[2]
    return bool(meant & here) or bool(own & {code for _, code in here}) or reference in own


def _same_amount(_desk: Desk, said: Any, shown: Any) -> bool:
    """Whether two quantities are one amount, within half of the last digit that the chart shows."""
    if said["code"] == shown["code"]:
        return bool(said["value"] == shown["value"])
    digits = max(-int(Decimal(shown["value"]).as_tuple().exponent), 0)
    size = _SIZE[shown["code"]]
    difference = abs(Fraction(said["value"]) * _SIZE[said["code"]] - Fraction(shown["value"]) * size)
    return difference <= Fraction(1, 2) * Fraction(1, 10**digits) * size


def _same_day(_desk: Desk, said: Any, shown: Any) -> bool:
    """Whether the chart shows the day of a time, as its author wrote it."""
    return len(shown) == 10 and said.startswith(shown)


def _same_sig(_desk: Desk, said: Any, shown: Any) -> bool:
    """Whether the chart has the SIG as written; the door has seen to it that its structure says nothing else."""
    return [item.get("text") for item in said] == [item.get("text") for item in shown]


def _same_text(_desk: Desk, said: Any, shown: Any) -> bool:
    return [_text(item) for item in said] == [_text(item) for item in shown]


def _text(payload: Mapping[str, Any]) -> str:
    if "contentString" in payload:
        return str(payload["contentString"])
    return base64.b64decode(payload["contentAttachment"]["data"]).decode()


_MEANINGS: Mapping[str, Callable[[Desk, Any, Any], bool]] = {
    "code": _same_concept,
    "docType": _same_concept,
    "dosage": _same_sig,
    "medication": _same_concept,
    "valueQuantity": _same_amount,
    "effectiveDateTime": _same_day,
    "payload": _same_text,
}
