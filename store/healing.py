"""What a lane's holder may do with a write whose outcome nobody knows: give up an expired claim, and claim a probe.

Both only under the lane's lock and with a new fence, so that no stale holder can write after them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from canonical.events import move
from canonical.lanes import Claim
from canonical.lifecycle import State, Trigger
from canonical.outcome import TAKEN
from canonical.ports import Operation
from store.columns import unindexed
from store.command_rows import COMMAND_COLUMNS, COMMAND_JOINS, command_from, operation_from
from store.database import rows
from store.moves import TAIL, tail_parameters

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from canonical.command import Command

_EXPIRE = (
    """
WITH lk AS MATERIALIZED (
  SELECT l.id AS lane_id, c.id AS command_id, k.quarantine
    FROM lanes l JOIN commands c ON c.lane_id = l.id JOIN connections k ON k.id = c.connection_id
   WHERE l.id = %(lane)s AND l.fence = %(fence_seen)s AND l.lease_until < clock_timestamp()
     AND pg_backend_pid() = %(pid)s AND c.id = %(command)s AND """
    + unindexed("c.state")
    + """ = 'sending' AND c.attempts = %(attempts_seen)s
  FOR UPDATE OF l, c),
ln AS (
  UPDATE lanes l SET fence = l.fence + 1, quarantine_until = clock_timestamp() + lk.quarantine
    FROM lk WHERE l.id = lk.lane_id RETURNING l.fence),
cm AS (
  UPDATE commands c SET state = 'unknown', state_reason = %(reason)s, state_since = clock_timestamp(),
         event_seq = c.event_seq + 1
    FROM lk WHERE c.id = lk.command_id RETURNING c.id, c.tenant, c.app, c.event_seq, c.connection_id, c.action_type),
at AS (
  UPDATE attempts a SET settled_at = clock_timestamp(), outcome = 'unknown', detail = 'lease expired'
    FROM lk WHERE a.command_id = lk.command_id AND a.settled_at IS NULL),
"""
    + TAIL
    + "SELECT event_seq FROM cm"
)

_CLAIM_PROBE = (
    """
WITH lk AS MATERIALIZED (
  SELECT l.id AS lane_id, c.id AS command_id, c.tenant, c.attempts, k.lease, sent.seq, sent.said_taken
    FROM lanes l JOIN commands c ON c.lane_id = l.id JOIN connections k ON k.id = c.connection_id
    CROSS JOIN LATERAL (
      SELECT a.operation_seq AS seq, coalesce(a.outcome = ANY (%(taken)s), false) AS said_taken
        FROM attempts a WHERE a.command_id = c.id AND a.kind = 'send' ORDER BY a.n DESC, a.id DESC LIMIT 1) sent
   WHERE l.id = %(lane)s AND l.fence = %(fence_seen)s AND l.lease_until < clock_timestamp()
     AND l.quarantine_until <= clock_timestamp() AND k.not_before <= clock_timestamp()
     AND pg_backend_pid() = %(pid)s AND c.id = %(command)s AND """
    + unindexed("c.state")
    + """ = 'unknown' AND c.attempts = %(attempts_seen)s
  FOR UPDATE OF l, c),
ln AS (
  UPDATE lanes l SET fence = l.fence + 1, lease_until = clock_timestamp() + lk.lease
    FROM lk WHERE l.id = lk.lane_id RETURNING l.fence),
dead AS (
  UPDATE attempts a SET settled_at = clock_timestamp(), outcome = 'unavailable', detail = 'prober lost'
    FROM lk WHERE a.command_id = lk.command_id AND a.kind = 'probe' AND a.settled_at IS NULL),
at AS (
  INSERT INTO attempts (tenant, command_id, operation_seq, lane_id, kind, n, fence, request_id)
  SELECT lk.tenant, lk.command_id, lk.seq, lk.lane_id, 'probe', lk.attempts, ln.fence, %(request_id)s FROM lk, ln
  RETURNING id, operation_seq, n, fence)
SELECT at.id, at.operation_seq, at.n, at.fence, lk.said_taken FROM at, lk
"""
)
_RELEASE_PROBE = """
WITH l AS (
  UPDATE lanes SET lease_until = '-infinity', quarantine_until = clock_timestamp() + %(wait)s
   WHERE id = %(lane)s AND fence = %(fence)s RETURNING id)
UPDATE attempts SET settled_at = clock_timestamp(), outcome = 'unavailable', detail = %(detail)s
 WHERE id = %(attempt_id)s AND EXISTS (SELECT 1 FROM l)
"""
_OPERATION = """
SELECT o.*, p.content AS body FROM operations o
  JOIN payloads p ON p.tenant = o.tenant AND p.digest = o.body_digest
 WHERE o.command_id = %(command)s ORDER BY o.seq
"""
_COMMAND = f"SELECT {COMMAND_COLUMNS} FROM commands c {COMMAND_JOINS} WHERE c.id = %(command)s"


def expire_claim(
    session: psycopg.Connection[Any],
    *,
    lane_id: int,
    command: UUID,
    attempts: int,
    fence_seen: int,
    pid: int,
    actor: str,
) -> bool:
    """Move a ``sending`` command whose lease ended to ``unknown`` under a new fence, and start the quarantine now."""
    parameters = tail_parameters(move(State.SENDING, Trigger.LEASE_EXPIRED), actor=actor, attempt=attempts) | {
        "lane": lane_id,
        "command": command,
        "attempts_seen": attempts,
        "fence_seen": fence_seen,
        "pid": pid,
    }
    return bool(rows(session, _EXPIRE, parameters))


def claim_probe(
    session: psycopg.Connection[Any],
    *,
    lane_id: int,
    command: UUID,
    attempts: int,
    fence_seen: int,
    pid: int,
) -> Claim | None:
    """Take the lane for a probe of the operation sent last, and journal it, after the quarantine.

    ``None``: not now, or not ours.
    """
    request_id = uuid4()
    found = rows(
        session,
        _CLAIM_PROBE,
        {
            "lane": lane_id,
            "command": command,
            "attempts_seen": attempts,
            "fence_seen": fence_seen,
            "pid": pid,
            "request_id": request_id,
            "taken": [outcome.value for outcome in TAKEN],
        },
    )
    if not found:
        return None
    return Claim(
        lane_id=lane_id,
        command_id=command,
        operation_seq=found[0]["operation_seq"],
        attempt_id=found[0]["id"],
        n=found[0]["n"],
        fence=found[0]["fence"],
        request_id=request_id,
        said_taken=found[0]["said_taken"],
    )


def release_probe(session: psycopg.Connection[Any], claim: Claim, *, wait: Any, detail: str) -> None:
    """Give the lane back after a probe that could not ask; look again after ``wait`` (timedelta)."""
    rows(
        session,
        _RELEASE_PROBE,
        {
            "lane": claim.lane_id,
            "fence": claim.fence,
            "attempt_id": claim.attempt_id,
            "wait": wait,
            "detail": detail,
        },
    )


def stored_operations(session: psycopg.Connection[Any], command: UUID) -> list[Operation]:
    """Return the operations of ``command`` exactly as they were journaled, bytes included."""
    return [operation_from(row) for row in rows(session, _OPERATION, {"command": command})]


def load_command(session: psycopg.Connection[Any], command: UUID) -> Command:
    """Return ``command`` as it stands.

    Raises ``LookupError`` when there is none: the id did not come from this database.
    """
    found = rows(session, _COMMAND, {"command": command})
    if not found:
        msg = f"no command {command}"
        raise LookupError(msg)
    return command_from(found[0])
