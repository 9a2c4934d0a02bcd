"""Notifications as EHRs send them: bundles of the R4 backport, and the signature of Standard Webhooks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + "c2VjcmV0LWZvci10ZXN0cy1vbmx5LXNlY3JldC0xMjM="
_numbers = itertools.count()


def backport(
    kind: str = "event-notification",
    events: Sequence[tuple[int | str, str | None]] = (),
    *,
    sent: int | None = None,
    subscription: str = "https://ehr.example/fhir/Subscription/all",
    entries: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return a notification Bundle; ``events`` are (number, focus)."""
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": subscription}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": kind},
    ]
    if sent is not None:
        parameters.append({"name": "events-since-subscription-start", "valueString": str(sent)})
    for number, focus in events:
        parts: list[dict[str, Any]] = [{"name": "event-number", "valueString": str(number)}]
        if focus is not None:
            parts.append({"name": "focus", "valueReference": {"reference": focus}})
        parameters.append({"name": "notification-event", "part": parts})
    status = {"resourceType": "Parameters", "parameter": parameters}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}, *entries]}


def status_bundle(
    kind: str = "event-notification",
    events: Sequence[tuple[str | None, str | None]] = (),
    *,
    subscription: str = "Subscription/all",
) -> dict[str, Any]:
    """Return a notification that begins with a SubscriptionStatus and counts anew; ``events`` are (id, focus)."""
    found = [
        {"id": id_, "eventNumber": str(at), "focus": {"reference": focus} if focus else {"identifier": {"value": "7"}}}
        for at, (id_, focus) in enumerate(events, start=1)
    ]
    status = {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": kind,
        "eventsSinceSubscriptionStart": str(len(found)),
        "subscription": {"reference": subscription},
        "notificationEvent": found,
    }
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()


def signed(body: bytes, at: datetime, *, secret: str = SECRET, name: str | None = None) -> dict[str, str]:
    """Return the headers under which ``body`` is sent at ``at``."""
    name = name or f"msg-{next(_numbers)}"
    moment = at.astimezone(UTC).replace(microsecond=0)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, moment, body.decode()),
        "Content-Type": "application/fhir+json",
    }
