"""R4 data types brought into a form in which equal means the same clinical statement. It judges no difference.

Declared normalisations, and no others: instants compare in UTC without trailing zeros of the fraction (``.500Z`` is ``.5Z``);
decimals compare by number (FHIR lets a server drop the zero of ``72.50``); codings compare by system and code whatever their
order, since ``display`` is the server's to rewrite; references to this EHR compare as ``Type/id``; ids of elements do not count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.r4.references import local

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def comparable(value: Any, base_url: str) -> Any:
    """Return ``value`` (JSON of an R4 data type) normalised; ``None`` for what says nothing."""
    if isinstance(value, Mapping):
        return _object(value, base_url)
    if isinstance(value, list | tuple):
        items = [comparable(item, base_url) for item in value]
        return items or None
    return _instant(value) if isinstance(value, str) else value


def _object(value: Mapping[str, Any], base_url: str) -> dict[str, Any] | None:
    members = {
        name: _member(name, item, value, base_url) for name, item in value.items() if name != "id" and item is not None
    }
    said = {name: item for name, item in members.items() if item is not None}
    return said or None


def _member(name: str, item: Any, whole: Mapping[str, Any], base_url: str) -> Any:
    if name == "coding" and isinstance(item, list | tuple):
        return sorted((_coding(coding) for coding in item), key=repr)
    if name == "reference" and isinstance(item, str):
        return local(item, base_url)
    if name in {"display", "type"} and isinstance(item, str) and "reference" in whole:
        return None
    return comparable(item, base_url)


def _coding(coding: Any) -> Any:
    """Keep what identifies a coding; one without a code is known by its text only."""
    if not isinstance(coding, Mapping):
        return coding
    names = ("system", "code") if coding.get("code") is not None else ("system", "display")
    return {name: coding[name] for name in names if coding.get(name) is not None}


def _instant(text: str) -> str:
    found = _INSTANT.fullmatch(text)
    if found is None:
        return text
    try:
        moment = datetime.fromisoformat(found[1] + found[3])
    except ValueError:
        return text
    fraction = (found[2] or "").rstrip("0")
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        return text
    return f"{utc:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}Z"
