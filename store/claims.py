"""The claim: one commit that takes the lane, passes the gate on locked rows, and journals the attempt. Nothing is sent here.

Lane and command rows are locked first, else a lane could be leased with no command (see ``docs/adr``). Consent, switches
and connection are held ``FOR SHARE``: a revocation that commits first makes the claim match no row.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from canonical.events import move
from canonical.lanes import Claim
from canonical.lifecycle import State, Trigger
from store.columns import unindexed
from store.database import rows
from store.lane_views import TAKEN_LATE
from store.loop_terms import IN_LOOP
from store.moves import TAIL, tail_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg
    from psycopg.rows import DictRow

    from canonical.command import Command
    from canonical.ports import Operation

#: What consent, approval and deadline must say of command ``c`` with consent ``s`` in the very commit that lets it leave.
GOVERNED = """
     (c.not_after IS NULL OR c.not_after > clock_timestamp())
     AND s.version = c.consent_version AND s.active
     AND (s.valid_until IS NULL OR s.valid_until > clock_timestamp())
     AND (NOT c.approval_required
          OR (c.approval_digest = coalesce(c.decided_digest, c.envelope_digest) AND c.approval_until > clock_timestamp()))
"""
#: An operation that was planned anew, after somebody decided, is another one under the same number.
_AS_PLANNED = """
interaction = excluded.interaction, resource_type = excluded.resource_type, body_digest = excluded.body_digest,
if_match = excluded.if_match, if_none_exist = excluded.if_none_exist, mapping_version = excluded.mapping_version,
reference = excluded.reference, placeholder = excluded.placeholder, is_primary = excluded.is_primary, path = excluded.path
"""
_CLAIM = (
    """
WITH lk AS MATERIALIZED (
  SELECT l.id AS lane_id, c.id AS command_id, c.switch_ids, k.id AS connection_id, k.lease
    FROM lanes l
    JOIN commands c ON c.lane_id = l.id
    JOIN consents s ON s.id = c.consent_id
    JOIN connections k ON k.id = c.connection_id
   WHERE l.id = %(lane)s AND l.fence = %(fence_seen)s AND l.lease_until < clock_timestamp() AND NOT l.joining
     AND pg_backend_pid() = %(pid)s
     AND c.id = %(command)s AND """
    + unindexed("c.state")
    + """ = 'ready' AND c.attempts = %(attempts_seen)s
     AND c.due_at <= clock_timestamp() AND k.not_before <= clock_timestamp()
     AND """
    + GOVERNED
    + """
     AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.lane_id = l.id AND b.state IN ('sending', 'unknown'))
     AND NOT """
    + TAKEN_LATE
    + " AND NOT "
    + IN_LOOP
    + """
  FOR UPDATE OF l, c FOR SHARE OF s, k),
sw AS MATERIALIZED (
  SELECT w.id FROM switches w, lk WHERE w.id = ANY (lk.switch_ids) AND w.is_on FOR SHARE OF w),
sl AS MATERIALIZED (
  SELECT s.connection_id, s.no FROM slots s, lk
   WHERE s.connection_id = lk.connection_id AND s.until < clock_timestamp()
   LIMIT 1 FOR UPDATE OF s SKIP LOCKED),
ok AS MATERIALIZED (
  SELECT lk.*, sl.no FROM lk, sl WHERE (SELECT count(*) FROM sw) = cardinality(lk.switch_ids)),
ts AS (
  UPDATE slots s SET until = clock_timestamp() + ok.lease, lane_id = ok.lane_id
    FROM ok WHERE s.connection_id = ok.connection_id AND s.no = ok.no),
ln AS (
  UPDATE lanes l SET fence = l.fence + 1, lease_until = clock_timestamp() + ok.lease, stumbles = 0
    FROM ok WHERE l.id = ok.lane_id
  RETURNING l.fence),
cm AS (
  UPDATE commands c SET state = %(target)s, state_reason = %(reason)s, state_since = clock_timestamp(),
         attempts = c.attempts + 1, spent = c.spent + 1, stumbles = 0, event_seq = c.event_seq + 1,
         sent_as = CASE WHEN c.attempts = 0 THEN %(sent_as)s::text ELSE c.sent_as END
    FROM ok WHERE c.id = ok.command_id
  RETURNING c.id, c.tenant, c.app, c.event_seq, c.connection_id, c.action_type, c.attempts, c.lane_id),
pl AS (
  INSERT INTO payloads (tenant, digest, content)
  SELECT cm.tenant, %(body_digest)s, %(body)s FROM cm ON CONFLICT DO NOTHING),
op AS (
  INSERT INTO operations (command_id, seq, tenant, state, interaction, resource_type, mark, body_digest, if_match,
                          if_none_exist, mapping_version, reference, placeholder, is_primary, path)
  SELECT cm.id, %(seq)s, cm.tenant, 'sent', %(interaction)s, %(resource_type)s, %(mark)s, %(body_digest)s, %(if_match)s,
         %(if_none_exist)s, %(mapping_version)s, %(reference)s, %(placeholder)s, %(is_primary)s, %(path)s
    FROM cm
  ON CONFLICT (command_id, seq) DO UPDATE SET state = 'sent', """
    + _AS_PLANNED
    + """),
at AS (
  INSERT INTO attempts (tenant, command_id, operation_seq, lane_id, kind, n, fence, body_digest, precondition,
                        mapping_version, request_id)
  SELECT cm.tenant, cm.id, %(seq)s, cm.lane_id, 'send', cm.attempts, ln.fence, %(body_digest)s, %(precondition)s,
         %(mapping_version)s, %(request_id)s
    FROM cm, ln
  RETURNING id, n, fence),
"""
    + TAIL.replace("%(event_attempt)s::int", "cm.attempts").replace("%(event_fence)s::bigint", "(SELECT fence FROM ln)")
    + "SELECT at.id AS attempt_id, at.n, at.fence FROM at"
)
#: The operations that will follow, as planned; what they will send stands already.
_PLAN = (
    """
WITH pl AS (
  INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(body_digest)s, %(body)s) ON CONFLICT DO NOTHING)
INSERT INTO operations (command_id, seq, tenant, state, interaction, resource_type, mark, body_digest, if_match,
                        if_none_exist, mapping_version, reference, placeholder, is_primary, path)
VALUES (%(command)s, %(seq)s, %(tenant)s, 'planned', %(interaction)s, %(resource_type)s, %(mark)s, %(body_digest)s,
        %(if_match)s, %(if_none_exist)s, %(mapping_version)s, %(reference)s, %(placeholder)s, %(is_primary)s, %(path)s)
ON CONFLICT (command_id, seq) DO UPDATE SET state = 'planned', """
    + _AS_PLANNED
    + " WHERE operations.state NOT IN ('applied', 'verified')"
)


def operation_parameters(operation: Operation) -> dict[str, Any]:
    """Return the columns of an operation's row, with its body and what it says of its precondition."""
    return {
        "seq": operation.seq,
        "interaction": operation.interaction.value,
        "resource_type": operation.resource_type,
        "mark": operation.mark,
        "body": operation.body,
        "body_digest": hashlib.sha256(operation.body).digest(),
        "if_match": operation.if_match,
        "if_none_exist": operation.if_none_exist,
        "mapping_version": operation.mapping_version,
        "reference": operation.reference,
        "placeholder": operation.placeholder,
        "is_primary": operation.is_primary,
        "path": operation.path,
        "sent_as": operation.sent_as,
        "precondition": (operation.if_match and f"If-Match {operation.if_match}")
        or ("If-None-Exist" if operation.if_none_exist else None),
    }


def claim(
    session: psycopg.Connection[Any],
    command: Command,
    operation: Operation,
    rest: Sequence[Operation] = (),
    *,
    fence_seen: int,
    pid: int,
    actor: str,
) -> Claim | None:
    """Commit the claim of ``command`` on the session that holds its lane's lock; ``None``: do not send.

    ``rest`` are the operations that will follow ``operation``; they are journaled as planned in the same commit.
    ``fence_seen`` is the lane's fence as looked up under the lock, ``pid`` the backend seen when locking. A raised
    ``psycopg.OperationalError`` leaves it unknown whether the claim was committed: do not send either.
    """
    request_id = uuid4()
    step = move(State.READY, Trigger.CLAIMED, rebased=operation.rebased)
    parameters = tail_parameters(step, actor=actor) | operation_parameters(operation)
    parameters |= {
        "lane": command.lane_id,
        "command": command.id,
        "fence_seen": fence_seen,
        "attempts_seen": command.attempts,
        "pid": pid,
        "request_id": request_id,
    }
    found = _claim_with_plan(session, parameters, command, rest) if rest else rows(session, _CLAIM, parameters)
    if not found:
        return None
    row = found[0]
    return Claim(
        lane_id=command.lane_id,
        command_id=command.id,
        operation_seq=operation.seq,
        attempt_id=row["attempt_id"],
        n=row["n"],
        fence=row["fence"],
        request_id=request_id,
    )


def _claim_with_plan(
    session: psycopg.Connection[Any], parameters: dict[str, Any], command: Command, rest: Sequence[Operation]
) -> list[DictRow]:
    with session.transaction():
        found = rows(session, _CLAIM, parameters)
        for operation in rest if found else ():
            ids = {"command": command.id, "tenant": command.tenant}
            rows(session, _PLAN, operation_parameters(operation) | ids)
    return found
