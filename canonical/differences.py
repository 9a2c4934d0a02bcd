"""Where inside a value two versions of it differ, as JSON pointers (RFC 6901). It judges nothing and applies nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canonical import exact_json


def pointers(one: Any, other: Any) -> tuple[str, ...]:
    """Return the innermost places at which two JSON values differ, in reading order; ``""`` is the whole, nothing for equals.

    Lists are compared place by place: the order of ``dosage`` is part of what it says.
    """
    return tuple(_walk(one, other, ""))


def step(name: str | int) -> str:
    """Return a member's name or an item's place as one step of a pointer."""
    return "/" + str(name).replace("~", "~0").replace("/", "~1")


def _walk(one: Any, other: Any, at: str) -> Iterator[str]:
    if exact_json.equal(one, other):
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in dict.fromkeys((*one, *other)):
            yield from _members(one, other, name, f"{at}{step(name)}")
    elif isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            pair = [said[place : place + 1] for said in (one, other)]
            inside = f"{at}{step(place)}"
            yield from _walk(pair[0][0], pair[1][0], inside) if all(pair) else (inside,)
    else:
        yield at


def _members(one: Mapping[str, Any], other: Mapping[str, Any], name: str, at: str) -> Iterator[str]:
    if name in one and name in other:
        yield from _walk(one[name], other[name], at)
    else:
        yield at
