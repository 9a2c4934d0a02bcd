"""What is due now, each question and each small step in a transaction of its own; the SQL of the questions is in ``due.py``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.events import move
from canonical.lifecycle import State, Trigger
from store import due
from store.columns import open_and
from store.database import rows, transaction
from store.moves import apply_move

#: Both only where there is something to forget: mostly nothing is written.
_FORGET_LANE = "UPDATE lanes SET stumbles = 0 WHERE id = %(lane)s AND stumbles > 0"
_FORGET_COMMANDS = f"""
UPDATE commands SET stumbles = 0 WHERE lane_id = %(lane)s AND {open_and("= 'ready'")} AND stumbles > 0
"""
#: A holder that is paused still has its lock: nobody may take over from it, and a person should know.
_EXPIRED_LEASES = """
SELECT c.lane_id, EXISTS (
         SELECT 1 FROM pg_locks p
          WHERE p.locktype = 'advisory' AND p.objsubid = 1 AND p.granted
            AND p.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (p.classid::bigint << 32 | p.objid::bigint) = c.lane_id) AS held
  FROM commands c JOIN lanes l ON l.id = c.lane_id
 WHERE c.state = 'sending' AND l.lease_until < clock_timestamp()
 ORDER BY c.state_since LIMIT %(limit)s
"""
_PROBES_DUE = """
SELECT c.lane_id FROM commands c JOIN lanes l ON l.id = c.lane_id JOIN connections k ON k.id = c.connection_id
 WHERE c.state = 'unknown' AND l.lease_until < clock_timestamp()
   AND l.quarantine_until <= clock_timestamp() AND k.not_before <= clock_timestamp()
 ORDER BY c.state_since LIMIT %(limit)s
"""
_UNPROVEN = """
SELECT id FROM commands WHERE state = 'applied' AND due_at <= statement_timestamp() - %(grace)s::interval
 ORDER BY due_at LIMIT %(limit)s
"""
_MERGES = """
SELECT l.id FROM lanes l JOIN connections k ON k.id = l.connection_id
 WHERE l.merge_look_at <= statement_timestamp() AND k.not_before <= clock_timestamp()
 ORDER BY l.merge_look_at LIMIT %(limit)s
"""
_LANES_OF = "SELECT DISTINCT lane_id FROM commands WHERE id = ANY (%(commands)s)"


class WatchList:
    """The commands and lanes that something must happen to; ``actor`` names this process in events. Thread-safe.

    Every method raises ``StoreUnavailableError`` when PostgreSQL cannot be reached.
    """

    def __init__(self, engine: Engine, *, actor: str) -> None:
        """Work on ``engine``."""
        self._engine, self._actor = engine, actor

    def merges_to_look_at(self, *, limit: int) -> list[int]:
        """Return lanes whose patient's record was merged and is to be read again, at connections that are open."""
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, _MERGES, {"limit": limit})]

    def due_lanes(self, *, limit: int, idle: timedelta | None = None) -> list[int]:
        """Return up to ``limit`` lanes with something to send, most urgent first; ``idle``: only those due that long."""
        with transaction(self._engine) as connection:
            return due.due_lanes(connection, limit=limit, idle=idle)

    def expired_leases(self, *, limit: int) -> list[tuple[int, bool]]:
        """Return lanes whose claim outlived its lease, each with whether its holder still has the lock."""
        with transaction(self._engine) as connection:
            return [(row["lane_id"], row["held"]) for row in rows(connection, _EXPIRED_LEASES, {"limit": limit})]

    def probes_due(self, *, limit: int) -> list[int]:
        """Return lanes with an unknown write whose quarantine is over and whose EHR may be asked."""
        with transaction(self._engine) as connection:
            return [row["lane_id"] for row in rows(connection, _PROBES_DUE, {"limit": limit})]

    def count_stumbles(self, lanes: list[int]) -> None:
        """Note that these lanes were found due and idle once more."""
        with transaction(self._engine) as connection:
            due.count_stumble(connection, lanes)

    def forget_stumbles(self, lane_id: int) -> None:
        """Note that a turn of the lane came back alive: nothing in it kills its worker."""
        with transaction(self._engine) as connection:
            rows(connection, _FORGET_LANE, {"lane": lane_id})
            rows(connection, _FORGET_COMMANDS, {"lane": lane_id})

    def unproven(self, *, limit: int, grace: timedelta) -> list[UUID]:
        """Return applied commands whose proof has been due for at least ``grace``."""
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, _UNPROVEN, {"limit": limit, "grace": grace})]

    def resume_parked(self, *, limit: int) -> list[int]:
        """Make ready what was parked and whose cause ended; return the lanes that have work now."""
        with transaction(self._engine) as connection:
            found = due.parked_with_cause_ended(connection, limit=limit)
            step = move(State.PARKED, Trigger.CAUSE_ENDED)
            moved = [command for command in found if apply_move(connection, command, step, actor=self._actor)]
            return [row["lane_id"] for row in rows(connection, _LANES_OF, {"commands": moved})]

    def expire_overdue(self, *, limit: int) -> list[UUID]:
        """End the unsent commands whose deadline passed, and leave the rest of half-sent ones to a person; return both."""
        with transaction(self._engine) as connection:
            return [
                command
                for command, state, partly in due.past_deadline(connection, limit=limit)
                if self._expire(connection, command, State(state), partly=partly)
            ]

    def _expire(self, connection: psycopg.Connection[Any], command: UUID, state: State, *, partly: bool) -> bool:
        if not partly:
            return apply_move(connection, command, move(state, Trigger.DEADLINE_PASSED), actor=self._actor)
        step = move(state, Trigger.PARTLY_APPLIED, "deadline-passed")
        return apply_move(connection, command, step, actor=self._actor, case="incomplete")
