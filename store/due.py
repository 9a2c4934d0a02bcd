"""What is due now, for dispatch, the sweeps and the poller: partial indexes only, no state is changed here but stumbles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from store.database import rows
from store.lane_views import ELIGIBLE
from store.loop_terms import IN_LOOP

if TYPE_CHECKING:
    from datetime import timedelta

    import psycopg

#: One minute of waiting weighs as much as one step of priority. Lanes come in rounds: each connection gives as many as it
#: has places free before any gives more, so that one with thousands waiting hides nobody else's; one that is full gives
#: its most urgent only, for the place that may come free.
_DUE_LANES = f"""
WITH open AS MATERIALIZED (
  SELECT k.id, count(*) FILTER (WHERE s.until < clock_timestamp()) AS free
    FROM connections k JOIN slots s ON s.connection_id = k.id
   WHERE k.not_before <= clock_timestamp() GROUP BY k.id),
due AS (
  SELECT o.free, c.connection_id, c.lane_id, min(c.due_at) AS due_at,
         max(c.priority + extract(epoch FROM clock_timestamp() - c.due_at) / 60) AS urgency
    FROM commands c JOIN lanes l ON l.id = c.lane_id JOIN open o ON o.id = c.connection_id
   WHERE {ELIGIBLE} AND l.lease_until < clock_timestamp()
     AND (%(idle)s::interval IS NULL OR c.due_at < clock_timestamp() - %(idle)s::interval)
   GROUP BY o.free, c.connection_id, c.lane_id),
ranked AS (
  SELECT d.*, row_number() OVER (PARTITION BY d.connection_id ORDER BY d.urgency DESC, d.due_at) - 1 AS before FROM due d)
SELECT lane_id FROM ranked WHERE free > 0 OR before = 0
 ORDER BY before / greatest(free, 1), urgency DESC, due_at LIMIT %(limit)s
"""

_STUMBLE = "UPDATE lanes SET stumbles = stumbles + 1 WHERE id = ANY (%(lanes)s) AND lease_until < clock_timestamp()"
#: The connections in turn, each with its most urgent first.
_PARKED = f"""
WITH ended AS (
  SELECT c.id, c.connection_id, c.priority + extract(epoch FROM clock_timestamp() - c.state_since) / 60 AS urgency
    FROM commands c JOIN connections k ON k.id = c.connection_id
   WHERE c.state = 'parked' AND k.not_before <= clock_timestamp()
     AND (SELECT count(*) FROM switches w WHERE w.id = ANY (c.switch_ids) AND w.is_on) = cardinality(c.switch_ids)
     AND NOT {IN_LOOP})
SELECT id FROM ended
 ORDER BY row_number() OVER (PARTITION BY connection_id ORDER BY urgency DESC), urgency DESC LIMIT %(limit)s
"""
_PAST_DEADLINE = """
SELECT id, state, EXISTS (SELECT 1 FROM operations o WHERE o.command_id = commands.id
                             AND o.state IN ('applied', 'verified')) AS partly
  FROM commands
 WHERE state IN ('ready', 'parked', 'awaiting_approval') AND not_after <= statement_timestamp() ORDER BY not_after LIMIT %(limit)s
"""


def due_lanes(connection: psycopg.Connection[Any], *, limit: int, idle: timedelta | None = None) -> list[int]:
    """Return up to ``limit`` lanes with something to send, most urgent first and no connection hiding another's.

    ``idle``: only those due that long.
    """
    return [row["lane_id"] for row in rows(connection, _DUE_LANES, {"limit": limit, "idle": idle})]


def count_stumble(connection: psycopg.Connection[Any], lanes: list[int]) -> None:
    """Note that a sweep found these lanes due and idle once more; a claim sets the count back to none."""
    if lanes:
        rows(connection, _STUMBLE, {"lanes": lanes})


def parked_with_cause_ended(connection: psycopg.Connection[Any], *, limit: int) -> list[UUID]:
    """Return parked commands whose connection is open and whose switches are on again."""
    return [row["id"] for row in rows(connection, _PARKED, {"limit": limit})]


def past_deadline(connection: psycopg.Connection[Any], *, limit: int) -> list[tuple[UUID, str, bool]]:
    """Return commands whose deadline passed, with their state and whether a part of them is in the chart already."""
    return [(row["id"], row["state"], row["partly"]) for row in rows(connection, _PAST_DEADLINE, {"limit": limit})]
