"""Callbacks due and what became of them; see :mod:`canonical.callbacks`. Their rows are made by the moves (``moves.py``)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from canonical.callbacks import Callback, Delivery
from canonical.status import Status
from store.acknowledgements import confirm_by_delivery
from store.database import rows, transaction

#: The endpoints in turn; one that is failing gives one callback, when nobody is at it.
_DUE = """
WITH due AS (
  SELECT b.id, b.due_at, e.failing_since, e.trying_until, e.disabled_at,
         row_number() OVER (PARTITION BY b.endpoint_id ORDER BY b.due_at) AS place
    FROM callbacks b JOIN endpoints e ON e.id = b.endpoint_id
   WHERE b.delivered_at IS NULL AND b.given_up_at IS NULL AND b.due_at <= statement_timestamp())
SELECT id FROM due
 WHERE failing_since IS NULL OR disabled_at IS NOT NULL OR (place = 1 AND trying_until < clock_timestamp())
 ORDER BY place, due_at LIMIT %(limit)s
"""
#: Pushed into the future before it is sent: if the sender dies, it is due again, and nobody else sends it meanwhile.
#: An endpoint that is failing is tried by one sender at a time, so that a silent one keeps no more than one thread.
_TAKE = """
WITH due AS MATERIALIZED (
  SELECT id, endpoint_id FROM callbacks WHERE id = %(id)s AND delivered_at IS NULL AND given_up_at IS NULL
     AND due_at <= clock_timestamp() FOR UPDATE SKIP LOCKED),
trial AS (
  UPDATE endpoints e SET trying_until = clock_timestamp() + %(lease)s FROM due
   WHERE e.id = due.endpoint_id AND e.failing_since IS NOT NULL AND e.trying_until < clock_timestamp()
  RETURNING e.id)
UPDATE callbacks b SET due_at = clock_timestamp() + %(lease)s, attempts = b.attempts + 1
  FROM due, endpoints e, commands c
 WHERE b.id = due.id AND e.id = b.endpoint_id AND c.id = b.command_id AND e.disabled_at IS NULL
   AND (e.failing_since IS NULL OR EXISTS (SELECT 1 FROM trial))
RETURNING b.id, b.endpoint_id, e.url, e.secret, b.command_id, b.sequence, b.status, b.state, b.reason, c.correlation_id,
          b.created_at, b.attempts
"""
_GIVE_UP_DISABLED = """
UPDATE callbacks b SET given_up_at = clock_timestamp() FROM endpoints e
 WHERE b.id = %(id)s AND e.id = b.endpoint_id AND e.disabled_at IS NOT NULL
   AND b.delivered_at IS NULL AND b.given_up_at IS NULL
"""
#: The attempt's number keeps a sender that was away too long from speaking about a later attempt.
_DELIVERED = """
WITH b AS (
  UPDATE callbacks SET delivered_at = clock_timestamp(), last_status = %(status)s
   WHERE id = %(id)s AND delivered_at IS NULL RETURNING endpoint_id)
UPDATE endpoints e SET failing_since = NULL, trying_until = '-infinity'
  FROM b WHERE e.id = b.endpoint_id AND e.failing_since IS NOT NULL
"""
_FAILED = """
WITH b AS (
  UPDATE callbacks SET last_status = %(status)s,
         due_at = clock_timestamp() + coalesce(%(wait)s::interval, interval '0'),
         given_up_at = CASE WHEN %(wait)s::interval IS NULL THEN clock_timestamp() END
   WHERE id = %(id)s AND attempts = %(attempts)s AND delivered_at IS NULL AND given_up_at IS NULL
  RETURNING endpoint_id)
UPDATE endpoints e SET failing_since = coalesce(e.failing_since, clock_timestamp()), trying_until = '-infinity' FROM b
 WHERE e.id = b.endpoint_id
"""
_DISABLE = """
WITH e AS (
  UPDATE endpoints SET disabled_at = clock_timestamp()
   WHERE id = %(endpoint)s AND disabled_at IS NULL AND failing_since <= clock_timestamp() - %(failing_for)s
  RETURNING id),
b AS (
  UPDATE callbacks SET given_up_at = clock_timestamp() FROM e
   WHERE endpoint_id = e.id AND delivered_at IS NULL AND given_up_at IS NULL)
SELECT id FROM e
"""


class Callbacks:
    """Fills :class:`canonical.callbacks.CallbackStore`. Thread-safe; each method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def due(self, *, limit: int) -> list[int]:
        """Return the ids of up to ``limit`` callbacks to send now, the endpoints in turn, those waiting longest first."""
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, _DUE, {"limit": limit})]

    def take(self, callback_id: int, *, lease: timedelta) -> Callback | None:
        with transaction(self._engine) as connection:
            found = rows(connection, _TAKE, {"id": callback_id, "lease": lease})
            if not found:
                rows(connection, _GIVE_UP_DISABLED, {"id": callback_id})
                return None
        return Callback(**(found[0] | {"status": Status(found[0]["status"])}))

    def delivered(self, callback: Callback, delivery: Delivery) -> None:
        with transaction(self._engine) as connection:
            rows(connection, _DELIVERED, {"id": callback.id, "status": delivery.status})
            confirm_by_delivery(
                connection,
                callback.command_id,
                sequence=callback.sequence,
                endpoint=callback.endpoint_id,
                actor="callbacks",
            )

    def failed(self, callback: Callback, delivery: Delivery, *, wait: timedelta | None) -> None:
        parameters = {
            "id": callback.id,
            "status": delivery.status,
            "wait": wait,
            "attempts": callback.attempts,
        }
        with transaction(self._engine) as connection:
            rows(connection, _FAILED, parameters)

    def disable_endpoint(self, callback: Callback, *, failing_for: timedelta) -> bool:
        parameters = {"endpoint": callback.endpoint_id, "failing_for": failing_for}
        with transaction(self._engine) as connection:
            return bool(rows(connection, _DISABLE, parameters))
