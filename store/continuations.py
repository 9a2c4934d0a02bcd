"""The settle of one operation of a compound that is the claim of the next: one commit, and the gate once more on locked rows.

Where the gate says no, the success is stored all the same: the rest is due later, or a person decides about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from canonical.lanes import Claim, Continuation
from canonical.lifecycle import Trigger
from canonical.settling import instead_of_continuing
from store.claims import GOVERNED, operation_parameters
from store.columns import unindexed
from store.database import rows
from store.settles import store_settle

if TYPE_CHECKING:
    import psycopg

    from canonical.lanes import Settle
    from canonical.ports import Operation

#: Locks what a claim locks. Consent, switches and connection are held ``FOR SHARE``: whoever changes them waits, or came first.
_GATE = (
    """
WITH lk AS MATERIALIZED (
  SELECT c.switch_ids, k.not_before <= clock_timestamp() AND NOT l.joining AS open,
         ("""
    + GOVERNED
    + """) AS governed
    FROM lanes l
    JOIN commands c ON c.lane_id = l.id
    JOIN consents s ON s.id = c.consent_id
    JOIN connections k ON k.id = c.connection_id
   WHERE l.id = %(lane)s AND l.fence = %(fence)s AND pg_backend_pid() = %(pid)s
     AND c.id = %(command)s AND """
    + unindexed("c.state")
    + """ = 'sending' AND c.attempts = %(n)s
  FOR UPDATE OF l, c FOR SHARE OF s, k),
sw AS MATERIALIZED (
  SELECT w.id FROM switches w, lk WHERE w.id = ANY (lk.switch_ids) AND w.is_on FOR SHARE OF w)
SELECT lk.governed, lk.open AND (SELECT count(*) FROM sw) = cardinality(lk.switch_ids) AS open FROM lk
"""
)
_CLAIM_NEXT = """
WITH cm AS (
  UPDATE commands SET attempts = attempts + 1, spent = spent + 1 WHERE id = %(command)s
  RETURNING id, tenant, lane_id, attempts),
pl AS (
  INSERT INTO payloads (tenant, digest, content)
  SELECT cm.tenant, %(body_digest)s, %(body)s FROM cm ON CONFLICT DO NOTHING),
op AS (
  UPDATE operations o SET state = 'sent', body_digest = %(body_digest)s FROM cm
   WHERE o.command_id = cm.id AND o.seq = %(seq)s)
INSERT INTO attempts (tenant, command_id, operation_seq, lane_id, kind, n, fence, body_digest, precondition,
                      mapping_version, request_id)
SELECT cm.tenant, cm.id, %(seq)s, cm.lane_id, 'send', cm.attempts, %(fence)s, %(body_digest)s, %(precondition)s,
       %(mapping_version)s, %(request_id)s
  FROM cm
RETURNING id, n
"""


def carry_on(
    session: psycopg.Connection[Any], claim: Claim, outcome: Settle, following: Operation, *, pid: int, actor: str
) -> Claim | Continuation:
    """Store the success ``outcome`` of ``claim`` and claim ``following``, on the session that holds the lane's lock.

    A raised ``psycopg.OperationalError`` leaves it unknown whether that was committed: do not send.
    """
    where = {"lane": claim.lane_id, "command": claim.command_id, "fence": claim.fence, "n": claim.n, "pid": pid}
    with session.transaction():
        gate = rows(session, _GATE, where)
        if not gate:
            return Continuation.LOST
        if not gate[0]["governed"] or not gate[0]["open"]:
            stored = store_settle(session, claim, _stopped(outcome, governed=gate[0]["governed"]), actor=actor)
            return Continuation.STOPPED if stored else Continuation.LOST
        if not store_settle(session, claim, outcome, actor=actor):
            return Continuation.LOST
        request_id = uuid4()
        names = where | operation_parameters(following) | {"request_id": request_id}
        row = rows(session, _CLAIM_NEXT, names)[0]
    return Claim(
        lane_id=claim.lane_id,
        command_id=claim.command_id,
        operation_seq=following.seq,
        attempt_id=row["id"],
        n=row["n"],
        fence=claim.fence,
        request_id=request_id,
    )


def _stopped(outcome: Settle, *, governed: bool) -> Settle:
    if governed:
        return instead_of_continuing(outcome, Trigger.OPERATION_APPLIED, "not-now")
    return instead_of_continuing(outcome, Trigger.PARTLY_APPLIED, "not-allowed-any-more", case="incomplete")
