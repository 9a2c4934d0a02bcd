"""What an EHR is known to do to an element between request and read-back, each with its source and its own comparison.

A normalisation excuses one element of one type, and only where its comparison holds: nothing else may differ there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.r4.other_units import KeptUnits, same_element
from canonical.capabilities import KnownChange
from canonical.ports import Resource


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """One known change: ``same`` compares what was sent with what is stored (whole resources) in this element's meaning.

    ``also`` are canonical fields that stand in the same element under names of their own.
    """

    resource_type: str
    element: str
    what: str
    source: str
    same: Callable[[Resource, Resource], bool]
    also: tuple[str, ...] = ()


def not_kept(resource_type: str, element: str, *, source: str, also: tuple[str, ...] = ()) -> Normalisation:
    """An element that the EHR does not give back at all; another content than what was sent still differs."""
    return Normalisation(
        resource_type=resource_type,
        element=element,
        what="not given back",
        source=source,
        same=lambda _sent, stored: stored.get(element) is None,
        also=also,
    )


def added(resource_type: str, element: str, *, what: str, source: str, also: tuple[str, ...] = ()) -> Normalisation:
    """An element that the EHR fills when nothing was sent in it."""
    return Normalisation(
        resource_type=resource_type,
        element=element,
        what=what,
        source=source,
        same=lambda sent, _stored: sent.get(element) is None,
        also=also,
    )


def codings_added(
    resource_type: str, element: str, *, what: str, source: str, text_replaced: bool = False, also: tuple[str, ...] = ()
) -> Normalisation:
    """A concept to which the EHR adds codings of its own; every coding that was sent is still there.

    ``text_replaced``: its text may be the display of one of the codings that were sent, in place of what was sent.
    """

    def same(sent: Resource, stored: Resource) -> bool:
        one, other = sent.get(element), stored.get(element)
        if (
            not isinstance(one, Mapping)
            or not isinstance(other, Mapping)
            or not _codes(one).keys() <= _codes(other).keys()
        ):
            return False
        named = {display for code, display in _codes(other).items() if code in _codes(one)}
        return one.get("text") == other.get("text") or (text_replaced and other.get("text") in named - {None})

    return Normalisation(resource_type=resource_type, element=element, what=what, source=source, same=same, also=also)


def _codes(concept: Mapping[str, Any]) -> dict[tuple[Any, Any], Any]:
    """Return the codings of a concept that have a code, with their displays."""
    return {
        (item.get("system"), item["code"]): item.get("display")
        for item in concept.get("coding", [])
        if item.get("code") is not None
    }


def in_units(
    resource_type: str, element: str, kept: KeptUnits, *, source: str, also: tuple[str, ...] = ()
) -> Normalisation:
    """A quantity that comes back in one of the units ``kept``, rounded, whatever it was sent in.

    ``element`` is ``valueQuantity``, or ``component`` for ``component[].valueQuantity``. A unit not ``kept`` differs, and so
    does a number that is not the rounding of what was sent.
    """
    listed = ", ".join(f"{code} with {how.digits} decimals" for code, how in kept.items())
    return Normalisation(
        resource_type=resource_type,
        element=element,
        what=f"given back in {listed}",
        source=source,
        same=lambda sent, stored: same_element(sent.get(element), stored.get(element), kept),
        also=also,
    )


def told(normalisations: Iterable[Normalisation]) -> tuple[KnownChange, ...]:
    """Return them as an adapter declares them."""
    return tuple(
        KnownChange(resource_type=item.resource_type, element=item.element, what=item.what, source=item.source)
        for item in normalisations
    )


def unexplained(
    names: Iterable[str], sent: Resource, stored: Resource, normalisations: Iterable[Normalisation]
) -> set[str]:
    """Return the ``names`` of differing elements that no normalisation of the type explains."""
    known = [item for item in normalisations if item.resource_type == sent.get("resourceType")]
    return {
        name
        for name in names
        if not any(name in {item.element, *item.also} and item.same(sent, stored) for item in known)
    }
