"""What a notification says: which entries, under which event numbers. Its content is not taken: every entry is read.

Three forms: the notification Bundle of the backport of topic-based subscriptions (its status is read by
:mod:`canonical.subscription_status`), a bare FHIR resource (the rest-hook of R4 itself), and a vendor's own JSON, whose places
the adapter declares (:class:`WebhookForm`).

Source: Subscriptions R5 Backport 1.1.0 (hl7.org/fhir/uv/subscriptions-backport), profile
``backport-subscription-notification-r4`` (a Bundle of type ``history``, the status first), read 2026-11-26; FHIR R4
Subscription, channel type ``rest-hook``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from canonical.subscription_status import SubscriptionStatus, listed, reference_in, status_of

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


@dataclass(frozen=True, kw_only=True)
class NotificationForm:
    """How an EHR notifies. ``webhook``: where its messages that are no FHIR say what they are about, if it sends any.

    ``is_numbered``: the events of a subscription are counted through, as the backport has it, so that a gap shows; else they
    are told apart by their ids, and what is lost is not noticed here.
    """

    webhook: WebhookForm | None = None
    is_numbered: bool = True


def read_notification(body: Mapping[str, Any], form: NotificationForm = NotificationForm()) -> Notification:
    """Return what ``body`` says; raises :class:`UnreadableNotificationError`."""
    if form.webhook is not None and "resourceType" not in body:
        return _vendors(body, form.webhook)
    status = status_of(body)
    if status is not None:
        return _backport(body, status, is_numbered=form.is_numbered)
    entries = listed(body.get("entry")) if body.get("resourceType") == "Bundle" else [{"resource": body}]
    references = _named_by(entries)
    if not references:
        raise UnreadableNotificationError("the body names no resource of the chart")
    return Notification(kind=NotificationKind.EVENTS, events=(NotifiedEvent(references=references),))


def _backport(body: Mapping[str, Any], status: SubscriptionStatus, *, is_numbered: bool) -> Notification:
    if status.subscription is None or status.code not in set(NotificationKind):
        raise UnreadableNotificationError("the status names no subscription, or a type that is not awaited")
    kind = NotificationKind(status.code)
    found = status.events if kind is NotificationKind.EVENTS else ()
    if len(found) > MOST_EVENTS:
        raise UnreadableNotificationError(f"more than {MOST_EVENTS} events in one notification")
    if is_numbered and any(event.number is None for event in found):
        raise UnreadableNotificationError("an event has no number")
    events = tuple(
        NotifiedEvent(references=event.focuses, number=event.number)
        if is_numbered
        else NotifiedEvent(references=event.focuses, identity=event.id)
        for event in found
    )
    if len(events) == 1 and not events[0].references:
        # A server may leave the focus out and name what it is about by the entries alone.
        events = (replace(events[0], references=_named_by(listed(body.get("entry"))[1:])),)
    if not is_numbered:
        return Notification(kind=kind, events=events)
    return Notification(kind=kind, subscription=status.subscription, sent=status.sent, events=events)


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
