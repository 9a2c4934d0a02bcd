"""The status with which a notification of a topic-based subscription begins: as Parameters (R4) or as SubscriptionStatus (R4B).

Read and nothing more: whether it is one that is awaited says :mod:`canonical.notification`.

Source: Subscriptions R5 Backport 1.1.0, profile ``backport-subscription-status-r4`` (Parameters ``subscription``, ``type``,
``events-since-subscription-start``, ``notification-event`` with ``event-number`` and ``focus``), read 2026-11-26; FHIR R4B 4.3.0
SubscriptionStatus (``subscription``, ``type``, ``eventsSinceSubscriptionStart``, ``notificationEvent`` with ``eventNumber`` and
``focus``), which servers send beside R4 resources too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{2,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_NUMBER = re.compile(r"[0-9]{1,18}")
_NUMBERS = ("valueString", "valueUnsignedInt", "valuePositiveInt", "valueInteger", "valueInteger64", "valueDecimal")
#: Characters: an id that is longer tells no more.
_LONGEST_ID = 200


@dataclass(frozen=True, kw_only=True)
class StatusEvent:
    """One event: its ``number`` and its element's ``id``, where it has them, and the references that it is about."""

    number: int | None
    id: str | None
    focuses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SubscriptionStatus:
    """``code``: the type of notification, as it came; ``sent``: how many events there were since the subscription began."""

    subscription: str | None
    code: str | None
    sent: int | None
    events: tuple[StatusEvent, ...]


def status_of(body: Mapping[str, Any]) -> SubscriptionStatus | None:
    """Return the status of a notification Bundle, which is its first entry; ``None``: it is no such Bundle."""
    first = next(iter(listed(body.get("entry"))), None)
    resource = first.get("resource") if isinstance(first, Mapping) else None
    if body.get("resourceType") != "Bundle" or not isinstance(resource, Mapping):
        return None
    if resource.get("resourceType") == "Parameters":
        return _of_parameters(listed(resource.get("parameter")))
    return _of_resource(resource) if resource.get("resourceType") == "SubscriptionStatus" else None


def reference_in(value: object) -> str | None:
    """Return ``Type/id`` of a reference, absolute or not; ``None``: it is none to an entry of a chart."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) and len(value) <= 1_000 else None
    return found[1] if found else None


def listed(value: object) -> list[Any]:
    """Return ``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _of_parameters(parameters: list[Any]) -> SubscriptionStatus:
    codes = [item.get("valueCode") for item in _named(parameters, "type")]
    return SubscriptionStatus(
        subscription=next((_pointed(item.get("valueReference")) for item in _named(parameters, "subscription")), None),
        code=_text(codes[0]) if len(codes) == 1 else None,
        sent=next((_valued(item) for item in _named(parameters, "events-since-subscription-start")), None),
        events=tuple(
            _of_parts(item.get("id"), listed(item.get("part"))) for item in _named(parameters, "notification-event")
        ),
    )


def _of_parts(id_: object, parts: list[Any]) -> StatusEvent:
    number = next((_valued(part) for part in _named(parts, "event-number")), None)
    return _event(id_, number, [part.get("valueReference") for part in _named(parts, "focus")])


def _of_resource(resource: Mapping[str, Any]) -> SubscriptionStatus:
    events = [item for item in listed(resource.get("notificationEvent")) if isinstance(item, Mapping)]
    return SubscriptionStatus(
        subscription=_pointed(resource.get("subscription")),
        code=_text(resource.get("type")),
        sent=_number(resource.get("eventsSinceSubscriptionStart")),
        events=tuple(_event(item.get("id"), _number(item.get("eventNumber")), [item.get("focus")]) for item in events),
    )


def _event(id_: object, number: int | None, focuses: list[object]) -> StatusEvent:
    named = (_pointed(focus) for focus in focuses)
    text = _text(id_)
    return StatusEvent(
        number=number,
        id=text[:_LONGEST_ID] if text else None,
        focuses=tuple(dict.fromkeys(name for name in named if name)),
    )


def _named(parts: list[Any], name: str) -> list[Mapping[str, Any]]:
    return [part for part in parts if isinstance(part, Mapping) and part.get("name") == name]


def _valued(part: Mapping[str, Any]) -> int | None:
    return _number(next((part[name] for name in _NUMBERS if name in part), None))


def _number(said: object) -> int | None:
    return int(str(said)) if _NUMBER.fullmatch(str(said)) else None


def _pointed(reference: object) -> str | None:
    return reference_in(reference.get("reference")) if isinstance(reference, Mapping) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
