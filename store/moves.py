"""The one way to write a state: a guarded UPDATE with its event, callbacks and case in the same statement.

Not the claim and the settle, which add the lane's fence (``claims.py``, ``settles.py``) and reuse the tail from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.case_kinds import CausePart, case_kind, cause_told, has_cause
from canonical.drift_plan import drift_plan
from canonical.events import move
from canonical.lifecycle import ENDED_WITHOUT_EFFECT, NEEDS_PERSON, TRANSITIONS, State, Trigger
from canonical.status import STATUS_OF
from store.causes import CAUSE
from store.columns import unindexed
from store.database import rows
from store.owing import forget_own_retraction, owing_parameters, owing_tail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from canonical.events import Move


def due_from(severity: str) -> str:
    """Return the SQL of when somebody should have decided a case of ``severity`` that is opened now."""
    # What nobody set terms for may wait a day.
    term = f"coalesce((SELECT t.within FROM case_terms t WHERE t.severity = {severity}::smallint), interval '1 day')"
    return f"clock_timestamp() + {term}"


#: Follows a CTE ``cm`` that returns the moved command's id, tenant, app, new event_seq, connection_id and action_type.
TAIL = (
    """
ev AS (
  INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor, attempt, fence, detail)
  SELECT cm.tenant, cm.id, cm.event_seq, %(trigger)s, %(source)s, %(target)s, %(reason)s, %(actor)s,
         %(event_attempt)s::int, %(event_fence)s::bigint, %(event_detail)s::jsonb
    FROM cm),
cb AS (
  INSERT INTO callbacks (tenant, endpoint_id, command_id, sequence, status, state, reason)
  SELECT cm.tenant, e.id, cm.id, cm.event_seq, %(status)s, %(target)s, %(reason)s
    FROM cm JOIN endpoints e ON e.tenant = cm.tenant AND e.app = cm.app AND e.disabled_at IS NULL
   WHERE %(status_changed)s),
cl AS (
  UPDATE cases k SET closed_at = clock_timestamp(), closed_reason = %(trigger)s, closed_by = %(actor)s,
         version = k.version + 1
    FROM cm WHERE %(closes_cases)s AND k.command_id = cm.id AND k.holds AND k.closed_at IS NULL),
ca AS (
  INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, detail, cause)
  SELECT cm.tenant, cm.id, cm.connection_id, cm.action_type, %(case_kind)s, %(case_pool)s, %(case_severity)s::smallint,
         """
    + due_from("%(case_severity)s")
    + f", %(case_detail)s::jsonb, {CAUSE}"
    + """
    FROM cm WHERE %(case_kind)s::text IS NOT NULL
  ON CONFLICT DO NOTHING),
wo AS (
  UPDATE watched_writes w SET next_look_at = NULL FROM cm WHERE %(leaves_proof)s AND w.command_id = cm.id),
wi AS (
  INSERT INTO watched_writes (command_id, tenant, connection_id, high_risk, next_look_at)
  SELECT cm.id, cm.tenant, cm.connection_id, cm.action_type = ANY (%(high_risk)s),
         clock_timestamp() + %(first_look)s::interval
    FROM cm WHERE %(reaches_proof)s
  ON CONFLICT (command_id) DO UPDATE SET proven_at = clock_timestamp(), seen_at = clock_timestamp(), step = 0,
         next_look_at = excluded.next_look_at),
"""
    + owing_tail(due_from("s.severity"))
)

_MOVE = (
    """
WITH cm AS (
  UPDATE commands SET state = %(target)s, state_reason = %(reason)s, state_since = clock_timestamp(),
         event_seq = event_seq + 1, due_at = coalesce(%(due_at)s::timestamptz, clock_timestamp())
   WHERE id = %(command)s AND """
    + unindexed("state")
    + """ = %(source)s
     AND NOT (%(without_trace)s AND EXISTS (SELECT 1 FROM operations o WHERE o.command_id = %(command)s
                                               AND o.state IN ('applied', 'verified')))
     AND (%(expected_seq)s::int IS NULL OR event_seq = %(expected_seq)s::int)
  RETURNING id, tenant, app, event_seq, connection_id, action_type),
"""
    + TAIL
    + "SELECT event_seq FROM cm"
)


def tail_parameters(
    move: Move,
    *,
    actor: str,
    case: str | None = None,
    known: Mapping[CausePart, str] | None = None,
    attempt: int | None = None,
    fence: int | None = None,
) -> dict[str, Any]:
    """Return the parameters of :data:`TAIL` for ``move`` made by ``actor`` (a process or person, never a patient).

    ``known`` is what is known of the cause of ``case``.
    """
    return {
        "trigger": move.trigger.value,
        "source": move.source.value,
        "target": move.target.value,
        "reason": move.reason,
        "actor": actor,
        "event_attempt": attempt,
        "event_fence": fence,
        "event_detail": exact_json.dumps(dict(move.detail)),
        "status": STATUS_OF[move.target].value,
        "status_changed": STATUS_OF[move.target] is not STATUS_OF[move.source],
        # Whatever takes a command out of a person's hands answers the question that held it.
        "closes_cases": move.source in NEEDS_PERSON,
        **case_parameters(case, known),
        **_watch_parameters(move),
        **owing_parameters(move),
    }


def _watch_parameters(move: Move) -> dict[str, Any]:
    """Return the parameters by which what is proven is watched from then on, and no more once it is not."""
    plan = drift_plan()
    return {
        "reaches_proof": move.target is State.VERIFIED and move.source is not State.VERIFIED,
        "leaves_proof": move.source is State.VERIFIED and move.target is not State.VERIFIED,
        "high_risk": sorted(plan.high_risk),
        "first_look": plan.steps[0].after,
    }


def case_parameters(case: str | None, known: Mapping[CausePart, str] | None = None) -> dict[str, Any]:
    """Return the parameters of :data:`TAIL` for the case of kind ``case`` to open, or for none."""
    kind = case_kind(case or "")
    return {
        "case_kind": case,
        "case_pool": kind.pool.value,
        "case_severity": kind.severity,
        "case_detail": "{}",
        "case_has_cause": has_cause(kind, known or {}),
        "case_by_day": CausePart.DAY in (kind.cause or ()),
        "case_by_action": CausePart.ACTION in (kind.cause or ()),
        "case_cause": cause_told(kind, known or {}),
    }


def apply_move(
    connection: psycopg.Connection[Any],
    command: UUID,
    move: Move,
    *,
    actor: str,
    case: str | None = None,
    known: Mapping[CausePart, str] | None = None,
    due_at: datetime | None = None,
    expected_seq: int | None = None,
) -> bool:
    """Make ``move`` if the command is still in its source state; ``False`` says that somebody else moved it.

    Nor is a command ended as if nothing had been written once one of its operations is in the chart.

    ``due_at`` (UTC) is when the target state is next looked at, now by default; ``expected_seq`` also demands that no
    event came in between; ``known`` is what is known of the cause of ``case``. Moves into or out of ``sending`` and
    ``unknown`` do not go through here.
    """
    parameters = tail_parameters(move, actor=actor, case=case, known=known) | {
        "command": command,
        "due_at": due_at,
        "expected_seq": expected_seq,
        "without_trace": move.target in ENDED_WITHOUT_EFFECT,
    }
    return bool(rows(connection, _MOVE, parameters))


#: What a command entailed besides, or brought as a part, can be taken out of the chart while its own entry stays there.
_SAME_ENTRY = """
SELECT 1 FROM operations mine JOIN operations theirs ON theirs.reference = mine.reference
 WHERE mine.command_id = %(by)s AND mine.is_primary AND theirs.command_id = %(root)s AND theirs.is_primary
"""


def take_back_root(connection: psycopg.Connection[Any], root: UUID, *, by: UUID, actor: str) -> bool:
    """Mark the command whose own entry the proven retraction ``by`` took out of the chart, from whichever state allows it."""
    if not rows(connection, _SAME_ENTRY, {"by": by, "root": root}):
        return False
    sources = [state for state, trigger in TRANSITIONS if trigger is Trigger.TAKEN_BACK]
    taken_back = any(apply_move(connection, root, move(source, Trigger.TAKEN_BACK), actor=actor) for source in sources)
    if taken_back:
        forget_own_retraction(connection, root, by=by)
    return taken_back
