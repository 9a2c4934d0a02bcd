"""The settle: one commit of what an attempt came to, valid only under the claim's fence and attempt number."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from canonical.action import action_specs
from canonical.case_kinds import CausePart
from canonical.lanes import Claim, Settle
from canonical.lifecycle import OPEN
from canonical.outcome import TAKEN, Outcome
from store.columns import listed
from store.database import rows
from store.moves import TAIL, case_parameters, due_from, tail_parameters

if TYPE_CHECKING:
    import psycopg

    from canonical.outcome import Settlement

#: Guard and effects of a settle, for sends and probes alike: both hold the lane.
#: What was said of the entry by its name belongs to its creator's subject (``sb``); the lane is looked up first there, since a
#: join finds all that is open as good as the lane's, right after an outage.
_SETTLE = (
    """
WITH lk AS MATERIALIZED (
  SELECT l.id AS lane_id, c.id AS command_id, k.id AS connection_id, k.quarantine, k.lease, c.root
    FROM lanes l JOIN commands c ON c.lane_id = l.id JOIN connections k ON k.id = c.connection_id
   WHERE l.id = %(lane)s AND l.fence = %(fence)s AND c.id = %(command)s
     AND c.state = %(source)s AND c.attempts = %(n)s
  FOR UPDATE OF l, c),
ln AS (
  UPDATE lanes l SET lease_until = CASE WHEN %(target)s = 'sending' THEN clock_timestamp() + lk.lease
                                        ELSE '-infinity' END,
         quarantine_until = CASE WHEN %(target)s = 'unknown' THEN clock_timestamp() + lk.quarantine
                                 ELSE l.quarantine_until END
    FROM lk WHERE l.id = lk.lane_id),
sl AS (
  UPDATE slots s SET until = CASE WHEN %(target)s = 'sending' THEN clock_timestamp() + lk.lease ELSE '-infinity' END,
         lane_id = CASE WHEN %(target)s = 'sending' THEN s.lane_id END
    FROM lk
   WHERE s.connection_id = lk.connection_id AND s.lane_id = lk.lane_id),
cm AS (
  UPDATE commands c SET state = %(target)s, state_reason = %(reason)s, state_since = clock_timestamp(),
         event_seq = c.event_seq + 1, due_at = coalesce(%(due_at)s::timestamptz, clock_timestamp()),
         spent = c.spent - CASE WHEN %(refund)s THEN 1 ELSE 0 END
    FROM lk WHERE c.id = lk.command_id
  RETURNING c.id, c.tenant, c.app, c.event_seq, c.lane_id, c.connection_id, c.action_type, c.subject, c.root),
pl AS (
  INSERT INTO payloads (tenant, digest, content)
  SELECT cm.tenant, %(answer_digest)s, %(answer)s FROM cm WHERE %(answer_digest)s::bytea IS NOT NULL
  ON CONFLICT DO NOTHING),
op AS (
  UPDATE operations o SET state = %(operation_state)s, reference = coalesce(%(reference)s, o.reference),
         version_written = coalesce(%(version)s, o.version_written)
    FROM cm WHERE o.command_id = cm.id AND o.seq = %(operation_seq)s),
at AS (
  UPDATE attempts a SET settled_at = clock_timestamp(), outcome = %(outcome)s, status = %(http_status)s,
         vendor_code = %(vendor_code)s, detail = %(outcome_detail)s, reference = %(reference)s, version = %(version)s,
         answer_digest = %(answer_digest)s
    FROM cm WHERE a.id = %(attempt_id)s),
li AS (
  INSERT INTO links (connection_id, reference, tenant, root, version)
  SELECT cm.connection_id, %(reference)s, cm.tenant, cm.root, %(version)s
    FROM cm WHERE %(reference)s::text IS NOT NULL
  ON CONFLICT (connection_id, reference) DO UPDATE
         SET version = coalesce(excluded.version, links.version), changed_at = clock_timestamp()),
sb AS (
  UPDATE commands f SET subject = cm.subject,
         root = CASE WHEN f.action_type || '.' || f.operation = ANY (%(own_entries)s) THEN f.root ELSE cm.root END
    FROM cm
   WHERE %(reference)s::text IS NOT NULL AND f.lane_id = (SELECT cm.lane_id FROM cm) AND f.id <> cm.id
     AND f.subject = 'ref:' || %(reference)s::text AND f.subject <> cm.subject AND f.state IN ("""
    + listed(OPEN)
    + """)),
kn AS (
  UPDATE connections k SET failures = CASE WHEN %(not_before)s::timestamptz IS NULL THEN 0 ELSE k.failures + 1 END,
         not_before = coalesce(greatest(k.not_before, %(not_before)s::timestamptz), k.not_before),
         closed_reason = %(closed_reason)s
    FROM cm WHERE k.id = cm.connection_id
     AND (%(not_before)s::timestamptz IS NOT NULL OR (%(reached)s AND k.failures > 0))),
"""
    + TAIL
    + "SELECT cm.event_seq, cm.root FROM cm"
)

_LATE = (
    """
WITH c AS MATERIALIZED (
  SELECT c.id, c.state, c.connection_id, c.action_type FROM commands c JOIN attempts a ON a.command_id = c.id
   WHERE a.id = %(attempt_id)s FOR UPDATE OF c),
a AS (
  UPDATE attempts SET late_outcome = %(outcome)s, late_status = %(http_status)s, late_at = clock_timestamp()
   WHERE id = %(attempt_id)s RETURNING id, tenant, command_id, n)
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds)
SELECT a.tenant, a.command_id, c.connection_id, c.action_type, %(case_kind)s, %(case_pool)s, %(case_severity)s::smallint,
       """
    + due_from("%(case_severity)s")
    + """, false
  FROM a, c
 WHERE %(success)s
   AND (c.state NOT IN ('unknown', 'applied', 'verified', 'pending_remote', 'compensated')
        OR EXISTS (SELECT 1 FROM attempts o
                    WHERE o.command_id = a.command_id AND o.id <> a.id AND o.kind = 'send' AND o.n > a.n))
ON CONFLICT DO NOTHING
"""
)
#: Before a resource gets its name: an intake that holds the lane may be storing a command about that very resource, and
#: only a statement that begins after the lock sees it.
_LOCK_LANE = "SELECT 1 FROM lanes WHERE id = %(lane)s FOR UPDATE"
_SETTLED_ALREADY = (
    "SELECT 1 FROM attempts WHERE id = %(attempt_id)s AND outcome = %(outcome)s AND detail = %(outcome_detail)s"
    " AND settled_at IS NOT NULL"
)

#: The EHR answered something of its own: the connection works.
_REACHED = frozenset(Outcome) - {Outcome.UNKNOWN, Outcome.UNAVAILABLE, Outcome.AUTH, Outcome.THROTTLED}


def settle(session: psycopg.Connection[Any], claim: Claim, outcome: Settle, *, actor: str) -> bool:
    """Store ``outcome`` under ``claim``'s fence and attempt; ``False``: the claim is no longer ours, nothing was moved.

    May be repeated on any connection with the same claim. After ``False``, :func:`record_late` keeps the answer.
    """
    parameters = _parameters(claim, outcome, actor=actor)
    if _store(session, parameters):
        return True
    # A settle whose COMMIT answer was lost may have gone through: the attempt's row tells, unless a sweep gave it up.
    repeated = {name: parameters[name] for name in ("attempt_id", "outcome", "outcome_detail")}
    return bool(rows(session, _SETTLED_ALREADY, repeated))


def _parameters(claim: Claim, outcome: Settle, *, actor: str) -> dict[str, Any]:
    settlement = outcome.settlement
    answer = settlement.body or None
    return tail_parameters(
        outcome.move, actor=actor, case=outcome.case, known=_known(settlement), attempt=claim.n, fence=claim.fence
    ) | {
        "lane": claim.lane_id,
        "command": claim.command_id,
        "operation_seq": claim.operation_seq,
        "operation_state": outcome.operation_state or outcome.move.target.value,
        "attempt_id": claim.attempt_id,
        "fence": claim.fence,
        "n": claim.n,
        "due_at": outcome.due_at,
        "refund": outcome.refund,
        "answer": answer,
        "answer_digest": hashlib.sha256(answer).digest() if answer else None,
        "reference": settlement.reference,
        "version": settlement.version,
        "outcome": outcome.journal or settlement.outcome.value,
        "http_status": settlement.status,
        "vendor_code": settlement.vendor_code,
        "outcome_detail": settlement.detail,
        "not_before": outcome.not_before,
        "closed_reason": outcome.closed_reason,
        "reached": settlement.outcome in _REACHED,
        "own_entries": own_entries(),
    }


def _known(settlement: Settlement) -> dict[CausePart, str]:
    """Return what an answer tells of the cause of a case: the EHR's own code, else the HTTP status, else what it came to."""
    status = f"http-{settlement.status}" if settlement.status is not None else settlement.outcome.value
    return {CausePart.CODE: settlement.vendor_code or status}


def own_entries() -> list[str]:
    """Return the operations that refer to an entry and write one of their own: they stay their own root."""
    specs = action_specs().values()
    return [f"{spec.type}.{name}" for spec in specs for name, rule in spec.operations.items() if rule.own_entry]


def store_settle(session: psycopg.Connection[Any], claim: Claim, outcome: Settle, *, actor: str) -> bool:
    """Store ``outcome`` inside the caller's transaction, which has locked the lane; ``False``: the claim is not ours."""
    return bool(rows(session, _SETTLE, _parameters(claim, outcome, actor=actor)))


def _store(session: psycopg.Connection[Any], parameters: dict[str, Any]) -> bool:
    """Run the settle in one commit: alone, or behind the lane's lock where a resource gets its name."""
    if parameters["reference"] is None:
        return bool(rows(session, _SETTLE, parameters))
    # One round trip: what is queued in a pipeline is sent together, and its results wait for us.
    with session.pipeline(), session.transaction():
        session.execute(_LOCK_LANE, parameters)
        settled = session.execute(_SETTLE.encode(), parameters)
    return settled.fetchone() is not None


def record_late(session: psycopg.Connection[Any], claim: Claim, settlement: Settlement) -> None:
    """Keep the answer that came after the claim was lost; a late success beside a later attempt opens a case."""
    rows(
        session,
        _LATE,
        {
            "attempt_id": claim.attempt_id,
            "outcome": settlement.outcome.value,
            "http_status": settlement.status,
            "success": settlement.outcome in TAKEN,
            **case_parameters("late_answer"),
        },
    )
