"""The book of entries that are to be read: which are due, and all that follows from what a look showed. It judges nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import Engine

from canonical.drift_plan import DriftPlan
from canonical.echo import Consequences, Found, Glimpse, TouchedEntry
from canonical.echo_plan import EchoPlan
from canonical.lifecycle import OPEN
from store.columns import listed, unindexed
from store.database import rows, transaction
from store.echo_entries import SUBJECTS, take_entry
from store.loop_holds import note_undone
from store.notification_tallies import count_results

#: Of each connection a range of the index. Not where the EHR is known to be away.
DUE = """
SELECT t.id FROM connections k CROSS JOIN LATERAL (
   SELECT e.id, e.due_at FROM touched_entries e
    WHERE e.connection_id = k.id AND {named} AND e.due_at <= statement_timestamp()
    ORDER BY e.due_at LIMIT {limit}) t
 WHERE k.not_before <= clock_timestamp() {of}ORDER BY t.due_at
"""
_BEHIND = """
SELECT k.id, k.tenant, k.name FROM connections k
 WHERE EXISTS (SELECT 1 FROM touched_entries e
                WHERE e.connection_id = k.id AND NOT e.named AND e.due_at <= statement_timestamp())
"""
#: Two sweepers at once: one takes a stream, the other leaves it.
_GAPS = """
SELECT s.connection_id, s.subscription, s.tenant, s.gap_after FROM notification_streams s
 WHERE s.gap_after IS NOT NULL AND s.gap_at <= clock_timestamp() - %(grace)s::interval FOR UPDATE SKIP LOCKED
"""
#: What waits is read first, whatever there is of it: its target may be nothing that we wrote.
_SPREAD_TARGETS = f"""
INSERT INTO touched_entries (connection_id, tenant, reference, named)
SELECT DISTINCT c.connection_id, c.tenant, c.target_reference, false FROM commands c
 WHERE c.connection_id = %(connection_id)s AND c.target_reference IS NOT NULL AND c.state IN ({listed(OPEN)})
ON CONFLICT DO NOTHING
"""
_SPREAD = f"""
WITH page AS MATERIALIZED (
  SELECT l.reference, l.root FROM links l WHERE l.connection_id = %(connection_id)s AND l.reference > %(gap_after)s
   ORDER BY l.reference LIMIT %(limit)s),
put AS (
  INSERT INTO touched_entries (connection_id, tenant, reference, named)
  SELECT %(connection_id)s, %(tenant)s, p.reference, false FROM page p
   WHERE EXISTS (SELECT 1 FROM commands r JOIN commands c ON c.lane_id = r.lane_id AND c.subject = r.subject
                   LEFT JOIN watched_writes w ON w.command_id = c.id
                  WHERE r.id = p.root AND (w.next_look_at IS NOT NULL OR c.state IN ({listed(OPEN)})))
  ON CONFLICT DO NOTHING)
SELECT count(*) AS seen, max(reference) AS last FROM page
"""
_SPREAD_TO = """
UPDATE notification_streams SET gap_after = %(to)s, missing = CASE WHEN %(to)s::text IS NULL THEN 0 ELSE missing END
 WHERE connection_id = %(connection_id)s AND subscription = %(subscription)s
"""
_FORGET = """
DELETE FROM notified_events e USING (
  SELECT connection_id, identity FROM notified_events WHERE at < statement_timestamp() - %(remembered)s::interval
   ORDER BY at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) old
 WHERE e.connection_id = old.connection_id AND e.identity = old.identity RETURNING 1
"""
_POSTPONE = """
UPDATE touched_entries SET due_at = clock_timestamp() + %(wait)s WHERE id = %(entry)s AND notices = %(notices)s
"""
_HOLD = "SELECT connection_id, reference FROM touched_entries WHERE id = %(entry)s FOR UPDATE"
_DONE = "DELETE FROM touched_entries WHERE id = %(entry)s AND notices = %(notices)s RETURNING id"
#: More was heard while the look was under way: it may have come too early to see that.
_AGAIN = "UPDATE touched_entries SET due_at = clock_timestamp() WHERE id = %(entry)s"
_COMMANDS = f"""
SELECT b.id, b.state FROM ({SUBJECTS}) s JOIN commands b ON b.lane_id = s.lane_id AND b.subject = s.subject
"""
#: The page of a case that is open says by its version that something happened.
_CASES = """
UPDATE cases SET version = version + 1,
       next_look_at = CASE WHEN kind = 'conflict' THEN '-infinity' ELSE next_look_at END
 WHERE command_id = ANY (%(commands)s) AND closed_at IS NULL RETURNING id
"""
_SETTLED = """
UPDATE watched_writes SET offered_until = clock_timestamp() + %(lease)s, next_look_at = clock_timestamp() + %(lease)s
 WHERE command_id = ANY (%(commands)s) AND next_look_at IS NOT NULL RETURNING command_id
"""
_HOLD_BUDGET = "SELECT 1 FROM drift_budgets WHERE connection_id = %(connection_id)s FOR UPDATE"
#: They count among what the EHR bears in a minute.
_TAKEN = "UPDATE drift_budgets SET taken = taken + %(many)s WHERE connection_id = %(connection_id)s"
_WAITING = f"""
UPDATE commands SET due_at = clock_timestamp()
 WHERE id = ANY (%(commands)s) AND {unindexed("state")} = 'pending_remote' RETURNING id
"""


class StoredEchoes:
    """Fills :class:`canonical.echo.EchoBook`. Thread-safe; two at once never look at the same."""

    def __init__(self, engine: Engine, *, plan: EchoPlan, drift: DriftPlan) -> None:
        """Work on ``engine``, as ``plan`` says; looks of the drift watch are handed out as ``drift`` says."""
        self._engine, self._plan, self._drift = engine, plan, drift

    def due(self, *, limit: int, missed: Callable[[str, str], int]) -> list[int]:
        with transaction(self._engine) as connection:
            found = rows(connection, DUE.format(named="e.named", limit="%(limit)s", of=""), {"limit": limit})
            of_one = DUE.format(named="NOT e.named", limit="%(limit)s", of="AND k.id = %(id)s ")
            for row in rows(connection, _BEHIND):
                most = min(missed(row["tenant"], row["name"]), limit)
                found += rows(connection, of_one, {"id": row["id"], "limit": most})
        return [row["id"] for row in found]

    def spread_gaps(self, *, limit: int) -> int:
        seen = 0
        with transaction(self._engine) as connection:
            for gap in rows(connection, _GAPS, {"grace": self._plan.grace}):
                if not gap["gap_after"]:
                    rows(connection, _SPREAD_TARGETS, gap)
                page = rows(connection, _SPREAD, gap | {"limit": limit})[0]
                rows(connection, _SPREAD_TO, gap | {"to": page["last"] if page["seen"] == limit else None})
                seen += page["seen"]
        return seen

    def forget(self, *, limit: int) -> int:
        with transaction(self._engine) as connection:
            return len(rows(connection, _FORGET, {"remembered": self._plan.remembered, "limit": limit}))

    def take(self, entry: int) -> TouchedEntry | None:
        with transaction(self._engine) as connection:
            return take_entry(connection, entry, lease=self._plan.lease)

    def postpone(self, entry: TouchedEntry, *, away: bool) -> None:
        wait = self._plan.away if away else self._plan.under_way
        with transaction(self._engine) as connection:
            rows(connection, _POSTPONE, {"entry": entry.id, "notices": entry.notices, "wait": wait})

    def settle(self, entry: TouchedEntry, glimpse: Glimpse) -> Consequences:
        names: dict[str, Any] = {"entry": entry.id, "notices": entry.notices}
        with transaction(self._engine) as connection:
            held = rows(connection, _HOLD, names)
            if not held:
                return Consequences()
            names |= held[0]
            count_results(
                connection,
                connection_id=names["connection_id"],
                tenant=entry.tenant,
                counts={glimpse.found.value: 1},
            )
            if not rows(connection, _DONE, names):
                rows(connection, _AGAIN, names)
            return self._consequences(connection, entry, glimpse, names)

    def _consequences(
        self, connection: psycopg.Connection[Any], entry: TouchedEntry, glimpse: Glimpse, names: dict[str, Any]
    ) -> Consequences:
        if glimpse.awaited is not None:
            return Consequences(waiting=self._waiting(connection, [glimpse.awaited]))
        loop = None
        if glimpse.undone and entry.command is not None:
            loop = note_undone(connection, entry.command, entry.reference, plan=self._plan)
        if glimpse.found is not Found.CHANGED:
            return Consequences(loop=loop)
        commands = [row["id"] for row in rows(connection, _COMMANDS, names)]
        waiting = self._waiting(connection, commands)
        # Before the writes themselves, in the order in which the drift watch hands them out.
        rows(connection, _HOLD_BUDGET, names)
        settled = rows(connection, _SETTLED, {"commands": commands, "lease": self._drift.lease})
        rows(connection, _TAKEN, names | {"many": len(settled)})
        cases = rows(connection, _CASES, {"commands": commands})
        return Consequences(
            cases=tuple(sorted(row["id"] for row in cases)),
            settled=tuple(row["command_id"] for row in settled),
            waiting=waiting,
            loop=loop,
        )

    @staticmethod
    def _waiting(connection: psycopg.Connection[Any], commands: list[Any]) -> tuple[Any, ...]:
        return tuple(row["id"] for row in rows(connection, _WAITING, {"commands": commands}))
