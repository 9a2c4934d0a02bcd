"""What the review queue costs and how it stands, counted for one tenant: of what is open, and of the last weeks. No content."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from canonical.lifecycle import State
from canonical.review_figures import (
    ClosedCount,
    CommandCount,
    ConflictCount,
    Habit,
    OpenCount,
    Pace,
    QueueFigures,
    Spans,
)
from store.database import rows, transaction

_OPEN = """
SELECT kind, severity, cardinality(%(ages)s::interval[]) - width_bucket(k.opened_at, (
         SELECT array_agg(now() - a.age ORDER BY a.age DESC) FROM unnest(%(ages)s::interval[]) AS a (age))) AS band,
       count(*) AS cases, count(*) FILTER (WHERE due_at < now()) AS overdue, min(opened_at) AS oldest
  FROM cases k WHERE tenant = %(tenant)s AND closed_at IS NULL GROUP BY 1, 2, 3
"""
_COMMANDS = """
SELECT n.name AS connection, x.action_type, x.day, x.state, x.commands
  FROM (SELECT connection_id, action_type, (received_at AT TIME ZONE 'UTC')::date AS day, state, count(*) AS commands
          FROM commands WHERE tenant = %(tenant)s AND received_at >= now() - %(outcomes)s GROUP BY 1, 2, 3, 4) x
  JOIN connections n ON n.id = x.connection_id
"""
#: A case is opened when its command is, or soon after: what was opened before is of no command received since.
_CONFLICTS = """
SELECT n.name AS connection, (c.received_at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT c.id) AS commands
  FROM cases k JOIN commands c ON c.id = k.command_id JOIN connections n ON n.id = k.connection_id
 WHERE k.tenant = %(tenant)s AND k.opened_at >= now() - %(conflicts)s AND k.kind = ANY (%(conflict_kinds)s)
   AND c.received_at >= now() - %(conflicts)s GROUP BY 1, 2
"""
#: Overturned: of two people the second did not sign, and decided. What came back after its end was opened after that, so that
#: it is among those opened in the same time.
_CLOSED = """
WITH k AS MATERIALIZED (
  SELECT id, connection_id, action_type, command_id, kind, opened_at, first_look_at, closed_at, closed_reason, rounds
    FROM cases WHERE tenant = %(tenant)s AND closed_at >= now() - %(effort)s),
o AS MATERIALIZED (
  SELECT id, connection_id, action_type, command_id, kind FROM cases
   WHERE tenant = %(tenant)s AND opened_at >= now() - %(effort)s),
again AS (SELECT command_id, kind, max(id) AS last FROM o GROUP BY 1, 2),
d AS (
  SELECT k.id, bool_or(d.changed) AS changed,
         bool_or(d.stage = 'first') AND count(DISTINCT d.person) FILTER (WHERE d.verb <> ALL (%(hands_on)s)) > 1
           AND NOT bool_or(d.verb = 'sign') AS overturned
    FROM k JOIN decisions d ON d.case_id = k.id WHERE d.verb <> 'moot' GROUP BY k.id),
done AS (
  SELECT k.connection_id, k.action_type, count(*) AS closed,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM k.first_look_at - k.opened_at)::float8 / 60)
           AS minutes_to_first_look,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM k.closed_at - k.first_look_at)::float8 / 60)
           FILTER (WHERE k.closed_reason IS DISTINCT FROM 'moot') AS minutes_to_decision,
         count(*) FILTER (WHERE d.changed) AS changed,
         count(*) FILTER (WHERE k.rounds > 0 OR a.last > k.id) AS reopened,
         count(*) FILTER (WHERE k.closed_reason = 'moot') AS moot,
         count(*) FILTER (WHERE d.overturned) AS overturned
    FROM k LEFT JOIN d ON d.id = k.id LEFT JOIN again a ON a.command_id = k.command_id AND a.kind = k.kind GROUP BY 1, 2),
begun AS (SELECT connection_id, action_type, count(*) AS opened FROM o GROUP BY 1, 2)
SELECT n.name AS connection, action_type, coalesce(b.opened, 0) AS opened, coalesce(t.closed, 0) AS closed,
       t.minutes_to_first_look, t.minutes_to_decision, coalesce(t.changed, 0) AS changed, coalesce(t.reopened, 0) AS reopened,
       coalesce(t.moot, 0) AS moot, coalesce(t.overturned, 0) AS overturned
  FROM done t FULL JOIN begun b USING (connection_id, action_type) JOIN connections n ON n.id = connection_id
 ORDER BY 1, 2
"""
#: A signature repeats what a first person decided, and handing a case on decides nothing.
_DECIDED = """
SELECT d.id, d.verb, d.reason, d.changed, d.at, d.view_id, k.action_type, k.kind, k.pool
  FROM decisions d JOIN cases k ON k.id = d.case_id
 WHERE d.tenant = %(tenant)s AND d.at >= now() - %(effort)s AND d.verb <> ALL (%(hands_on)s) AND d.verb NOT IN ('moot', 'sign')
"""
_HABITS = f"""
WITH x AS (
  SELECT x.*, row_number() OVER (PARTITION BY action_type, kind ORDER BY id DESC) AS n FROM ({_DECIDED}) x),
y AS (
  SELECT action_type, kind, verb, reason, count(*) FILTER (WHERE NOT changed) AS alike,
         sum(count(*)) OVER (PARTITION BY action_type, kind)::bigint AS decisions
    FROM x WHERE n <= %(last)s GROUP BY 1, 2, 3, 4)
SELECT DISTINCT ON (action_type, kind) * FROM y ORDER BY action_type, kind, alike DESC, verb, reason
"""
_PACES = f"""
WITH x AS (
  SELECT x.*, row_number() OVER (PARTITION BY action_type ORDER BY id DESC) AS n
    FROM ({_DECIDED} AND k.pool = 'clinical' AND d.view_id IS NOT NULL) x)
SELECT x.action_type, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM x.at - v.at)::float8) AS seconds,
       count(*) AS decisions
  FROM x JOIN case_views v ON v.id = x.view_id WHERE n <= %(last)s GROUP BY 1 ORDER BY 1
"""
#: These hand a case on, and leave open what becomes of it.
_HANDS_ON = ["ask_author", "escalate"]


class StoredReviewFigures:
    """Fills :class:`canonical.review_figures.ReviewFigures`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def figures(self, tenant: str, spans: Spans) -> QueueFigures:
        names: dict[str, Any] = {
            **vars(spans),
            "ages": list(spans.ages),
            "conflict_kinds": sorted(spans.conflict_kinds),
            "hands_on": _HANDS_ON,
            "tenant": tenant,
        }
        with transaction(self._engine) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return QueueFigures(
                now=rows(connection, "SELECT now() AS at")[0]["at"],
                open=tuple(OpenCount(**row) for row in rows(connection, _OPEN, names)),
                commands=tuple(
                    CommandCount(**(row | {"state": State(row["state"])})) for row in rows(connection, _COMMANDS, names)
                ),
                conflicts=tuple(ConflictCount(**row) for row in rows(connection, _CONFLICTS, names)),
                closed=tuple(ClosedCount(**row) for row in rows(connection, _CLOSED, names)),
                habits=tuple(Habit(**row) for row in rows(connection, _HABITS, names)),
                paces=tuple(Pace(**row) for row in rows(connection, _PACES, names)),
            )
