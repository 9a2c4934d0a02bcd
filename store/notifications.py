"""Hearing of notifications: which events are new, in which order they came, which entries are to be read. No content is kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import psycopg
from sqlalchemy import Engine

from canonical.echo import Heard, Hearing
from canonical.lifecycle import OPEN
from canonical.notification import Notification, NotificationKind, NotifiedEvent
from store.columns import listed
from store.database import rows, transaction
from store.notification_tallies import count_results

_CONNECTION = "SELECT id FROM connections WHERE tenant = %(tenant)s AND name = %(name)s"
#: Whoever holds the row decides what of the subscription is new.
_STREAM = """
INSERT INTO notification_streams (connection_id, subscription, tenant)
VALUES (%(connection)s, %(subscription)s, %(tenant)s)
ON CONFLICT (connection_id, subscription) DO UPDATE SET tenant = excluded.tenant
RETURNING epoch, highest
"""
#: A subscription that begins (again) counts from one.
_BEGIN = """
UPDATE notification_streams SET epoch = epoch + 1, highest = 0
 WHERE connection_id = %(connection)s AND subscription = %(subscription)s
"""
#: What comes late after all was not missed, unless entries are put down for it already.
_ADVANCE = """
UPDATE notification_streams SET highest = %(highest)s, missed = missed + %(missed)s,
       missing = greatest(missing - %(late)s, 0) + %(missed)s,
       gap_at = CASE WHEN %(missed)s > 0 THEN clock_timestamp() ELSE gap_at END,
       gap_after = CASE WHEN %(missed)s > 0 THEN '' WHEN missing <= %(late)s THEN nullif(gap_after, '') ELSE gap_after END
 WHERE connection_id = %(connection)s AND subscription = %(subscription)s
"""
_REMEMBER = """
INSERT INTO notified_events (connection_id, identity, tenant) VALUES (%(connection)s, %(identity)s, %(tenant)s)
ON CONFLICT DO NOTHING RETURNING true AS is_new
"""
#: What concerns us: entries that we wrote, targets of what waits, and, as long as a create has no place yet, its type.
_TOUCH = f"""
WITH given AS (SELECT unnest(%(references)s::text[]) AS reference)
INSERT INTO touched_entries (connection_id, tenant, reference, named)
SELECT %(connection)s, %(tenant)s, g.reference, true FROM given g
 WHERE EXISTS (SELECT 1 FROM links l WHERE l.connection_id = %(connection)s AND l.reference = g.reference)
    OR EXISTS (SELECT 1 FROM commands c WHERE c.connection_id = %(connection)s AND c.target_reference = g.reference
                  AND c.state IN ({listed(OPEN)}))
    OR EXISTS (SELECT 1 FROM commands c JOIN operations o ON o.command_id = c.id
                WHERE c.connection_id = %(connection)s AND c.state IN ('sending', 'unknown')
                  AND o.reference IS NULL AND o.resource_type = split_part(g.reference, '/', 1))
    OR EXISTS (SELECT 1 FROM commands c JOIN operations o ON o.command_id = c.id
                WHERE c.connection_id = %(connection)s AND c.state = 'pending_remote'
                  AND o.reference IS NULL AND o.resource_type = split_part(g.reference, '/', 1))
 ORDER BY g.reference
ON CONFLICT (connection_id, reference) DO UPDATE
   SET notices = touched_entries.notices + 1, named = true, due_at = least(touched_entries.due_at, clock_timestamp())
RETURNING id
"""

_OF_NO_EVENT = {NotificationKind.HANDSHAKE: Heard.HANDSHAKE, NotificationKind.HEARTBEAT: Heard.HEARTBEAT}


class Notifications:
    """Fills :class:`canonical.echo.Ears`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def hear(self, tenant: str, connection: str, notification: Notification, *, message: bytes) -> Hearing:
        with transaction(self._engine) as session:
            names: dict[str, Any] = {"tenant": tenant, "name": connection, "subscription": notification.subscription}
            names["connection"] = rows(session, _CONNECTION, names)[0]["id"]
            counts: Counter[Heard] = Counter()
            references = _news(session, notification, names, message, counts)
            touched = _touch(session, references, names, counts)
            count_results(session, connection_id=names["connection"], tenant=tenant, counts=counts)
        return Hearing(counts=dict(counts), touched=touched)


def _news(
    session: psycopg.Connection[Any],
    notification: Notification,
    names: dict[str, Any],
    message: bytes,
    counts: Counter[Heard],
) -> list[str]:
    """Return the entries that new events name."""
    stream = rows(session, _STREAM, names)[0] if notification.subscription else None
    if notification.kind is not NotificationKind.EVENTS:
        counts[_OF_NO_EVENT[notification.kind]] += 1
    if stream is None:
        return _unnumbered(session, notification.events, names, message, counts)
    if notification.kind is NotificationKind.HANDSHAKE:
        if not notification.sent:
            rows(session, _BEGIN, names)
        return []
    return _numbered(session, notification, names, stream, counts)


def _numbered(
    session: psycopg.Connection[Any],
    notification: Notification,
    names: dict[str, Any],
    stream: dict[str, Any],
    counts: Counter[Heard],
) -> list[str]:
    references: list[str] = []
    highest, missed = stream["highest"], 0
    for event in sorted(notification.events, key=lambda item: item.number or 0):
        number = event.number or 0
        if not _is_new(session, names, f"{names['subscription']}\0{stream['epoch']}\0{number}".encode()):
            counts[Heard.DUPLICATE] += 1
            continue
        references += _named(event, counts)
        if highest is not None and number < highest:
            counts[Heard.OUT_OF_ORDER] += 1
            continue
        missed += _between(highest, number - 1)
        highest = number
    if notification.sent is not None:
        # A heartbeat tells of the last event too, and so does a message that gathers only some of them.
        missed += _between(highest, notification.sent)
        highest = max(highest or 0, notification.sent)
    counts[Heard.MISSED] += missed
    rows(session, _ADVANCE, names | {"highest": highest, "missed": missed, "late": counts[Heard.OUT_OF_ORDER]})
    return references


def _between(highest: int | None, until: int) -> int:
    """Return how many numbers after ``highest`` were never heard; of a subscription heard for the first time, none."""
    return 0 if highest is None else max(until - highest, 0)


def _unnumbered(
    session: psycopg.Connection[Any],
    events: tuple[NotifiedEvent, ...],
    names: dict[str, Any],
    message: bytes,
    counts: Counter[Heard],
) -> list[str]:
    references: list[str] = []
    for at, event in enumerate(events):
        identity = f"event\0{event.identity}".encode() if event.identity else message + at.to_bytes(4)
        if _is_new(session, names, identity):
            references += _named(event, counts)
        else:
            counts[Heard.DUPLICATE] += 1
    return references


def _named(event: NotifiedEvent, counts: Counter[Heard]) -> tuple[str, ...]:
    counts[Heard.UNKNOWN] += not event.references
    return event.references


def _is_new(session: psycopg.Connection[Any], names: dict[str, Any], identity: bytes) -> bool:
    return bool(rows(session, _REMEMBER, names | {"identity": hashlib.sha256(identity).digest()}))


def _touch(
    session: psycopg.Connection[Any], references: list[str], names: dict[str, Any], counts: Counter[Heard]
) -> tuple[int, ...]:
    given = sorted(set(references))
    touched = [row["id"] for row in rows(session, _TOUCH, names | {"references": given})] if given else []
    counts[Heard.TOUCHED] += len(touched)
    counts[Heard.UNKNOWN] += len(given) - len(touched)
    return tuple(touched)
