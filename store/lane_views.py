"""Looking at a lane: what is in flight in it and what comes next. Not holding it (``held_lanes.py``)."""

from __future__ import annotations

from typing import Any

from canonical.lanes import LaneView
from canonical.lifecycle import ENDED_WITHOUT_EFFECT, OPEN, State
from canonical.outcome import TAKEN
from store.columns import listed, unindexed
from store.command_rows import COMMAND_COLUMNS, COMMAND_JOINS, command_from

#: Whether an open command ``b`` of the subject holds up ``c``. What takes back a part of an incomplete command cannot wait for
#: that one, which waits for it; nor for what is behind that one and waits for it, too.
_HOLDS_UP = f"""
(c.undoes IS NULL OR b.undoes = c.undoes OR NOT EXISTS (
   SELECT 1 FROM commands r WHERE r.id = c.undoes AND r.state = '{State.TAKING_BACK}'
      AND r.subject = b.subject AND r.lane_seq <= b.lane_seq OFFSET 0))
"""

#: What makes a ready command ``c`` the next of its lane: due, nothing of the lane in flight, nothing open before it.
#: Each is looked up by itself (``OFFSET 0``) and by its own index: right after an outage the planner's figures still say that
#: next to nothing is open, and a join of all that is due with all that is open would be as good as any to it.
ELIGIBLE = f"""
c.state = 'ready' AND c.due_at <= statement_timestamp()
AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.lane_id = c.lane_id AND b.state IN ('sending', 'unknown') OFFSET 0)
AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.lane_id = c.lane_id AND b.subject = c.subject
                   AND b.lane_seq < c.lane_seq AND b.state IN ({listed(OPEN)}) AND {_HOLDS_UP} OFFSET 0)
AND (c.after = '{{}}' OR NOT EXISTS (
  SELECT 1 FROM commands b WHERE b.id = ANY (c.after) AND {unindexed("b.state")} IN ({listed(OPEN)}) OFFSET 0))
"""

#: When a person last decided that command ``c`` is to be sent again: what they could see then is settled.
_DECIDED_AT = """
coalesce((SELECT max(e.at) FROM events e WHERE e.command_id = c.id AND e.trigger = 'resend_decided'), '-infinity')
"""
#: An answer that came after its claim was lost says that the EHR took command ``c``: sending again would double it.
TAKEN_LATE = f"""
(c.attempts > 0 AND EXISTS (
   SELECT 1 FROM attempts a WHERE a.command_id = c.id AND a.late_at > {_DECIDED_AT}
      AND a.late_outcome IN ({", ".join(f"'{outcome}'" for outcome in sorted(TAKEN))})))
"""

LOCK = "SELECT pg_try_advisory_lock(%(lane)s) AS locked, pg_backend_pid() AS pid"

LANE = """
SELECT l.fence, l.stumbles, l.lease_until < clock_timestamp() AS lease_free,
       l.quarantine_until <= clock_timestamp() AS quarantine_over, k.name AS connection, k.tenant, k.failures,
       k.not_before <= clock_timestamp() AS connection_open, l.joining,
       l.merge_look_at <= clock_timestamp() AS merge_look_due,
       b.id AS in_flight, b.state AS in_flight_state, b.attempts AS in_flight_attempts, clock_timestamp() AS now
  FROM lanes l JOIN connections k ON k.id = l.connection_id
  LEFT JOIN LATERAL (SELECT id, state, attempts FROM commands
                      WHERE lane_id = l.id AND state IN ('sending', 'unknown') LIMIT 1) b ON true
 WHERE l.id = %(lane)s
"""

NEXT = f"""
SELECT {COMMAND_COLUMNS},
       EXISTS (SELECT 1 FROM commands b
                WHERE ((b.lane_id = c.lane_id AND b.subject = c.subject AND b.lane_seq < c.lane_seq)
                       OR b.id = ANY (c.after))
                  AND b.state IN ({listed(ENDED_WITHOUT_EFFECT)}) AND b.state_since > c.received_at
                  AND b.state_since > {_DECIDED_AT}) AS predecessor_ended,
       {TAKEN_LATE} AS taken_late
  FROM commands c {COMMAND_JOINS}
 WHERE c.lane_id = %(lane)s AND {ELIGIBLE}
 ORDER BY c.priority DESC, c.lane_seq LIMIT 1
"""


def view_from(lane_id: int, lane: dict[str, Any], following: dict[str, Any] | None) -> LaneView:
    """Return the view of one row of :data:`LANE` and of :data:`NEXT`."""
    state = lane["in_flight_state"]
    return LaneView(
        lane_id=lane_id,
        tenant=lane["tenant"],
        connection=lane["connection"],
        now=lane["now"],
        fence=lane["fence"],
        stumbles=lane["stumbles"],
        failures=lane["failures"],
        lease_free=lane["lease_free"],
        quarantine_over=lane["quarantine_over"],
        connection_open=lane["connection_open"],
        joining=lane["joining"],
        merge_look_due=bool(lane["merge_look_due"]),
        in_flight=lane["in_flight"],
        in_flight_state=State(state) if state else None,
        in_flight_attempts=lane["in_flight_attempts"] or 0,
        next=command_from(following) if following else None,
        predecessor_ended=bool(following and following["predecessor_ended"]),
        taken_late=bool(following and following["taken_late"]),
    )
