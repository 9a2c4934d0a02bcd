"""What a notification says: which entries, under which event numbers. Its content is not taken: every entry is read.

Three forms: the notification Bundle of the R4 backport of topic-based subscriptions, a bare FHIR resource (the rest-hook of
R4 itself), and a vendor's own JSON, whose places the adapter declares (:class:`WebhookForm`).

Source: Subscriptions R5 Backport 1.1.0 (hl7.org/fhir/uv/subscriptions-backport), profiles
``backport-subscription-notification-r4`` (a Bundle of type ``history``, the status first) and ``backport-subscription-status-r4``
(Parameters ``subscription``, ``type``, ``events-since-subscription-start``, ``notification-event`` with ``event-number`` and
``focus``), read 2026-11-26; FHIR R4 Subscription, channel type ``rest-hook``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{2,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_NUMBER = re.compile(r"[0-9]{1,18}")
_NUMBERS = ("valueString", "valueUnsignedInt", "valuePositiveInt", "valueInteger", "valueInteger64", "valueDecimal")
#: A body within the door's limit could name tens of thousands; no subscription gathers so many in one message.
MOST_EVENTS = 1_000


class NotificationKind(StrEnum):
    """Why the EHR speaks, by the code of the backport."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENTS = "event-notification"


class UnreadableNotificationError(ValueError):
    """The body is in no form that its connection is known to send; the message repeats nothing of it."""


@dataclass(frozen=True, kw_only=True)
class NotifiedEvent:
    """One event: its ``number`` within the subscription, if it has one, or an ``identity``, and what it is about."""

    references: tuple[str, ...]
    number: int | None = None
    identity: str | None = None


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One message. ``subscription`` is ``Subscription/id``; ``sent`` how many events it has had since it began."""

    kind: NotificationKind
    subscription: str | None = None
    sent: int | None = None
    events: tuple[NotifiedEvent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebhookForm:
    """Where a vendor's own JSON says what happened: paths of member names with dots between them.

    ``events`` leads to a list of events, or to one (``""``: the body); within one, ``resource_type`` and ``id`` lead to the two
    halves of the reference, ``identity`` to what the vendor tells repeats by. ``types`` translates the vendor's names of types.
    """

    resource_type: str
    id: str
    events: str = ""
    identity: str | None = None
    types: Mapping[str, str] | None = None


def read_notification(body: Mapping[str, Any], form: WebhookForm | None = None) -> Notification:
    """Return what ``body`` says; raises :class:`UnreadableNotificationError`."""
    if form is not None and "resourceType" not in body:
        return _vendors(body, form)
    status = _status(body)
    if status is not None:
        return _backport(body, status)
    entries = _list(body.get("entry")) if body.get("resourceType") == "Bundle" else [{"resource": body}]
    references = _named_by(entries)
    if not references:
        raise UnreadableNotificationError("the body names no resource of the chart")
    return Notification(kind=NotificationKind.EVENTS, events=(NotifiedEvent(references=references),))


def reference_in(value: object) -> str | None:
    """Return ``Type/id`` of a reference, absolute or not; ``None``: it is none to an entry of a chart."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) and len(value) <= 1_000 else None
    return found[1] if found else None


def _status(body: Mapping[str, Any]) -> list[Any] | None:
    """Return the parameters of a backport's status, which is the first entry of its Bundle."""
    first = next(iter(_list(body.get("entry"))), None)
    resource = first.get("resource") if isinstance(first, Mapping) else None
    if body.get("resourceType") != "Bundle" or not isinstance(resource, Mapping):
        return None
    return _list(resource.get("parameter")) if resource.get("resourceType") == "Parameters" else None


def _backport(body: Mapping[str, Any], status: list[Any]) -> Notification:
    subscription = next((reference_in(_text(_reference(item))) for item in _named(status, "subscription")), None)
    codes = [item.get("valueCode") for item in _named(status, "type")]
    if subscription is None or len(codes) != 1 or codes[0] not in set(NotificationKind):
        raise UnreadableNotificationError("the status names no subscription, or a type that is not awaited")
    kind = NotificationKind(codes[0])
    sent = next((_number(item) for item in _named(status, "events-since-subscription-start")), None)
    found = _named(status, "notification-event") if kind is NotificationKind.EVENTS else []
    if len(found) > MOST_EVENTS:
        raise UnreadableNotificationError(f"more than {MOST_EVENTS} events in one notification")
    events = [_event(_list(item.get("part"))) for item in found]
    if len(events) == 1 and not events[0].references:
        # A server may leave the focus out and name what it is about by the entries alone.
        named = _named_by(_list(body.get("entry"))[1:])
        events = [NotifiedEvent(number=events[0].number, references=named)]
    return Notification(kind=kind, subscription=subscription, sent=sent, events=tuple(events))


def _event(parts: list[Any]) -> NotifiedEvent:
    number = next((_number(part) for part in _named(parts, "event-number")), None)
    if number is None:
        raise UnreadableNotificationError("an event has no number")
    references = (reference_in(_text(_reference(part))) for part in _named(parts, "focus"))
    return NotifiedEvent(number=number, references=tuple(dict.fromkeys(name for name in references if name)))


def _named_by(entries: list[Any]) -> tuple[str, ...]:
    found: list[str] = []
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(resource, Mapping):
            name = _joined(resource.get("resourceType"), resource.get("id"))
        else:
            name = reference_in(entry.get("fullUrl")) if isinstance(entry, Mapping) else None
        found += [name] if name else []
    if len(found) > MOST_EVENTS:
        raise UnreadableNotificationError(f"more than {MOST_EVENTS} entries in one notification")
    return tuple(dict.fromkeys(found))


def _joined(type_: object, id_: object) -> str | None:
    """Return ``Type/id`` of its two halves, if they are such."""
    is_whole = isinstance(type_, str) and isinstance(id_, str | int) and not isinstance(id_, bool)
    return reference_in(f"{type_}/{id_}") if is_whole else None


def _vendors(body: Mapping[str, Any], form: WebhookForm) -> Notification:
    at = _at(body, form.events)
    items = at if isinstance(at, list) else [at]
    if len(items) > MOST_EVENTS:
        raise UnreadableNotificationError(f"more than {MOST_EVENTS} events in one notification")
    events = tuple(_vendors_event(item, form) for item in items if isinstance(item, Mapping))
    if not events:
        raise UnreadableNotificationError("the body has no event where this EHR's are")
    return Notification(kind=NotificationKind.EVENTS, events=events)


def _vendors_event(item: Mapping[str, Any], form: WebhookForm) -> NotifiedEvent:
    said = _at(item, form.resource_type)
    type_ = (form.types or {}).get(str(said), said)
    name = _joined(type_, _at(item, form.id))
    identity = _at(item, form.identity) if form.identity else None
    return NotifiedEvent(
        references=(name,) if name else (),
        identity=str(identity)[:200] if isinstance(identity, str | int) else None,
    )


def _at(value: object, path: str) -> object:
    for name in filter(None, path.split(".")):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _named(parts: list[Any], name: str) -> list[Mapping[str, Any]]:
    return [part for part in _iterate(parts) if part.get("name") == name]


def _iterate(parts: list[Any]) -> Iterator[Mapping[str, Any]]:
    return (part for part in parts if isinstance(part, Mapping))


def _number(part: Mapping[str, Any]) -> int | None:
    said = next((str(part[name]) for name in _NUMBERS if name in part), "")
    return int(said) if _NUMBER.fullmatch(said) else None


def _reference(part: Mapping[str, Any]) -> object:
    value = part.get("valueReference")
    return value.get("reference") if isinstance(value, Mapping) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
