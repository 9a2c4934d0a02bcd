"""Which settled writes are looked at now: what is due, drawn by the plan, within what each EHR bears, each handed out once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.drift_plan import DriftPlan
from store.database import rows, transaction

#: Only what the index holds is read: a connection without anything due costs two probes of it. The time is that of the
#: statement: of one that may change from row to row the index would have to be read whole. Not where the EHR is away.
_DUE = """
w.connection_id = k.id AND w.high_risk = {risk} AND w.next_look_at <= statement_timestamp()
"""
_CONNECTIONS = f"""
SELECT k.id, k.tenant, k.name FROM connections k
 WHERE k.not_before <= clock_timestamp()
   AND (EXISTS (SELECT 1 FROM watched_writes w WHERE {_DUE.format(risk="true")})
        OR EXISTS (SELECT 1 FROM watched_writes w WHERE {_DUE.format(risk="false")}))
 ORDER BY k.id
"""
_BUDGET = """
INSERT INTO drift_budgets (connection_id, tenant) VALUES (%(connection)s, %(tenant)s) ON CONFLICT DO NOTHING
"""
#: Whoever holds this row hands out the connection's looks; the other one waits and finds what is left.
_LEFT = """
UPDATE drift_budgets SET taken = CASE WHEN since <= clock_timestamp() - %(minute)s::interval THEN 0 ELSE taken END,
       since = CASE WHEN since <= clock_timestamp() - %(minute)s::interval THEN clock_timestamp() ELSE since END
 WHERE connection_id = %(connection)s RETURNING taken
"""
FIND = """
SELECT w.command_id, w.step, w.proven_at, clock_timestamp() AS now FROM watched_writes w
 WHERE w.connection_id = %(connection)s AND w.high_risk = %(risk)s AND w.next_look_at <= statement_timestamp()
 ORDER BY w.next_look_at LIMIT %(limit)s
"""
_OFFER = """
UPDATE watched_writes SET offered_until = clock_timestamp() + %(lease)s, next_look_at = clock_timestamp() + %(lease)s
 WHERE command_id = ANY (%(commands)s) AND next_look_at <= clock_timestamp()
"""
_TAKEN = "UPDATE drift_budgets SET taken = taken + %(many)s WHERE connection_id = %(connection)s"
_SKIP = """
UPDATE watched_writes w SET step = coalesce(s.step, w.step), next_look_at = s.at
  FROM unnest(%(commands)s::uuid[], %(steps)s::smallint[], %(times)s::timestamptz[]) AS s (command_id, step, at)
 WHERE w.command_id = s.command_id AND w.next_look_at <= clock_timestamp()
"""
_GIVE_BACK = """
WITH back AS (
  UPDATE watched_writes SET offered_until = '-infinity', next_look_at = clock_timestamp()
   WHERE command_id = ANY (%(commands)s) AND offered_until > clock_timestamp() RETURNING connection_id)
UPDATE drift_budgets b SET taken = greatest(b.taken - n.many, 0)
  FROM (SELECT connection_id, count(*) AS many FROM back GROUP BY connection_id) n WHERE b.connection_id = n.connection_id
"""
_MINUTE = timedelta(minutes=1)


class DriftOffers:
    """Hands out looks at settled writes. Thread-safe; two at once never hand out the same."""

    def __init__(self, engine: Engine, *, plan: DriftPlan) -> None:
        """Work on ``engine``, as ``plan`` says."""
        self._engine, self._plan = engine, plan

    def offer(self, *, limit: int, per_minute: Callable[[str, str], int]) -> list[UUID]:
        with transaction(self._engine) as connection:
            found = rows(connection, _CONNECTIONS)
        offered: list[UUID] = []
        for row in found:
            with transaction(self._engine) as connection:
                offered += self._offer(connection, row, limit=limit, most=per_minute(row["tenant"], row["name"]))
        return offered

    def _offer(self, connection: psycopg.Connection[Any], row: dict[str, Any], *, limit: int, most: int) -> list[UUID]:
        names = {"connection": row["id"], "tenant": row["tenant"], "minute": _MINUTE, "lease": self._plan.lease}
        rows(connection, _BUDGET, names)
        left = min(most - rows(connection, _LEFT, names)[0]["taken"], limit)
        chosen = [item["command_id"] for item in rows(connection, FIND, names | {"risk": True, "limit": max(left, 0)})]
        others = rows(connection, FIND, names | {"risk": False, "limit": limit})
        drawn = [item for item in others if self._is_drawn(item)]
        chosen += [item["command_id"] for item in drawn[: max(left - len(chosen), 0)]]
        self._skip(connection, [item for item in others if not self._is_drawn(item)])
        rows(connection, _OFFER, names | {"commands": chosen})
        rows(connection, _TAKEN, names | {"many": len(chosen)})
        return chosen

    def _is_drawn(self, row: dict[str, Any]) -> bool:
        return self._plan.is_sampled(row["command_id"], row["step"], high_risk=False)

    def _skip(self, connection: psycopg.Connection[Any], undrawn: list[dict[str, Any]]) -> None:
        """Put what is not looked at this time to its next step, or to rest."""
        following = [
            self._plan.following(row["step"], proven_at=row["proven_at"], now=row["now"]) or (None, None)
            for row in undrawn
        ]
        names = {
            "commands": [row["command_id"] for row in undrawn],
            "steps": [step for step, _ in following],
            "times": [at for _, at in following],
        }
        rows(connection, _SKIP, names)

    def give_back(self, commands: list[UUID]) -> None:
        with transaction(self._engine) as connection:
            rows(connection, _GIVE_BACK, {"commands": commands})
