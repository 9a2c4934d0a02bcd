"""Telling subscribers that the chart changed: notifications of the R4 backport by rest-hook; not which changes there are.

A subscription is configured at the side door, not by a Subscription resource. One message for one event, in the order of the
commits; what is not taken is sent again a few times, then left out, as real servers do.
Source: Subscriptions R5 Backport 1.1.0 for FHIR R4, profiles backport-subscription-notification-r4 and -status-r4. A vendor's
own way (SubscriptionStatus of FHIR R4B, its numbers those of the message, signed as W3C WebSub has it) is in that adapter.
"""

import asyncio
import base64
import hashlib
import hmac
import sqlite3
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from sandbox import written_json
from sandbox.answers import instant
from sandbox.chart import StoredVersion
from sandbox.ehr import Ehr

_PROFILES = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"
_TOPIC = "urn:sandbox:topic:any-change"
#: How often one message is tried, and seconds between two tries.
_TRIES, _BETWEEN_S, _TIMEOUT_S = 3, 0.05, 5.0


class SubscriptionRequest(BaseModel):
    """Where notifications go and what they carry.

    Args:
        secret: they are signed with it, as Standard Webhooks says (`whsec_` and base64).
        header: sent along as `Authorization`.
        hub_secret: they are signed with it, as WebSub says.
        status: Parameters, whose events are counted through, or a SubscriptionStatus, which counts anew in each message and
            names each event by an id.
        types: only of these; none named: of every type.
    """

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")] = "all"
    url: Annotated[str, Field(pattern=r"^https?://")]
    payload: Literal["id-only", "full-resource"] = "id-only"
    secret: str | None = None
    header: str | None = None
    hub_secret: str | None = None
    status: Literal["Parameters", "SubscriptionStatus"] = "Parameters"
    types: tuple[str, ...] = ()


@dataclass
class _Subscription:
    asked: SubscriptionRequest
    after: int
    events: int = 0
    answers: list[int | None] = field(default_factory=list)


class Subscriptions:
    """The subscriptions of one sandbox, kept as long as it runs; `changed` is called after every commit."""

    def __init__(self, ehr: Ehr) -> None:
        self._ehr = ehr
        self._kept: dict[str, _Subscription] = {}
        self._turn = asyncio.Lock()

    async def add(self, asked: SubscriptionRequest) -> int | None:
        """Begin a subscription, or begin it anew, with its handshake; returns the status that was answered."""
        subscription = _Subscription(asked=asked, after=self._last())
        self._kept[asked.id] = subscription
        return await self._post(subscription, _bundle(self._ehr, subscription, "handshake"))

    def shown(self) -> list[dict[str, Any]]:
        """What each has sent, and what was answered (None: nothing)."""
        return [{"id": name, "events": item.events, "answers": list(item.answers)} for name, item in self._kept.items()]

    def forget(self) -> None:
        self._kept.clear()

    def changed(self) -> None:
        """Tell of what was committed, some time soon."""
        if self._kept:
            self._ehr.do_later(self.flush())

    async def flush(self) -> None:
        """Send what was not sent yet; returns when all of it was tried."""
        async with self._turn:
            for subscription in list(self._kept.values()):
                for seq, stored in self._news(subscription):
                    subscription.after = seq
                    subscription.events += 1
                    await self._post(subscription, _bundle(self._ehr, subscription, "event-notification", stored))

    def _last(self) -> int:
        (last,) = self._ehr.database.reader.execute("SELECT coalesce(max(seq), 0) FROM versions").fetchone()
        return int(last)

    def _news(self, subscription: _Subscription) -> list[tuple[int, StoredVersion]]:
        found: list[sqlite3.Row] = self._ehr.database.reader.execute(
            "SELECT * FROM versions WHERE seq > ? ORDER BY seq", (subscription.after,)
        ).fetchall()
        types = subscription.asked.types
        return [(row["seq"], StoredVersion.from_row(row)) for row in found if not types or row["type"] in types]

    async def _post(self, subscription: _Subscription, body: str) -> int | None:
        headers = _headers(subscription.asked, body, self._ehr.clock())
        status = None
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
            for _ in range(_TRIES):
                try:
                    answer = await client.post(subscription.asked.url, content=body.encode(), headers=headers)
                    status = answer.status_code
                except httpx.HTTPError:
                    status = None
                if status is not None and status < 500:
                    break
                await asyncio.sleep(_BETWEEN_S)
        subscription.answers.append(status)
        return status


def _headers(asked: SubscriptionRequest, body: str, now: float) -> dict[str, str]:
    headers = {"Content-Type": "application/fhir+json"}
    if asked.header is not None:
        headers["Authorization"] = asked.header
    if asked.secret is not None:
        name, at = f"msg_{uuid.uuid4().hex}", str(int(now))
        key = base64.b64decode(asked.secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{name}.{at}.{body}".encode(), hashlib.sha256).digest()
        headers |= {
            "webhook-id": name,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
    if asked.hub_secret is not None:
        headers["X-Hub-Signature"] = f"sha256={hmac.digest(asked.hub_secret.encode(), body.encode(), 'sha256').hex()}"
    return headers


def _bundle(ehr: Ehr, subscription: _Subscription, kind: str, stored: StoredVersion | None = None) -> str:
    now, own = instant(ehr.clock()), f"{ehr.base}/Subscription/{subscription.asked.id}"
    focus = {"reference": f"{ehr.base}/{stored.reference}"} if stored is not None else None
    shape = _parameters if subscription.asked.status == "Parameters" else _resource
    status = {"id": str(uuid.uuid4()), **shape(subscription, own, kind, now, focus)}
    entries = [_entry(f"urn:uuid:{status['id']}", "GET", f"{own}/$status", status)]
    if stored is not None:
        entries.append(_changed(ehr, subscription, stored))
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [f"{_PROFILES}-notification-r4"]},
        "type": "history",
        "timestamp": now,
        "entry": entries,
    }
    return written_json.dumps(bundle)


def _state(kind: str) -> str:
    return "requested" if kind == "handshake" else "active"


def _parameters(
    subscription: _Subscription, own: str, kind: str, now: str, focus: dict[str, str] | None
) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": own}},
        {"name": "topic", "valueCanonical": _TOPIC},
        {"name": "status", "valueCode": _state(kind)},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(subscription.events)},
    ]
    if focus is not None:
        parts = [
            {"name": "event-number", "valueString": str(subscription.events)},
            {"name": "timestamp", "valueInstant": now},
            {"name": "focus", "valueReference": focus},
        ]
        parameters.append({"name": "notification-event", "part": parts})
    return {
        "resourceType": "Parameters",
        "meta": {"profile": [f"{_PROFILES}-status-r4"]},
        "parameter": parameters,
    }


def _resource(
    subscription: _Subscription, own: str, kind: str, now: str, focus: dict[str, str] | None
) -> dict[str, Any]:
    """Return the status as the vendor sends it: what it counts is this message's, not the subscription's."""
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{own}/{subscription.events}"))
    event = {"id": identity, "eventNumber": "1", "timestamp": now, "focus": focus}
    events = [event] if focus is not None else []
    return {
        "resourceType": "SubscriptionStatus",
        "status": _state(kind),
        "type": kind,
        "eventsSinceSubscriptionStart": str(len(events)),
        "subscription": {"reference": own},
        "topic": _TOPIC,
        "notificationEvent": events,
    }


def _changed(ehr: Ehr, subscription: _Subscription, stored: StoredVersion) -> dict[str, Any]:
    with_body = subscription.asked.payload == "full-resource" and not stored.deleted
    resource = written_json.loads(stored.body) if with_body else None
    verb = "DELETE" if stored.deleted else "POST" if stored.ordinal == 1 else "PUT"
    return _entry(f"{ehr.base}/{stored.reference}", verb, stored.reference, resource)


def _entry(full_url: str, verb: str, url: str, resource: dict[str, Any] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"fullUrl": full_url}
    if resource is not None:
        entry["resource"] = resource
    return entry | {"request": {"method": verb, "url": url}, "response": {"status": "200"}}
