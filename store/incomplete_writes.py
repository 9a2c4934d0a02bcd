"""Commands of which a part is in the chart: which are looked at now, and the moves that come of it. It judges nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from canonical.events import move
from canonical.incomplete import NONE, IncompleteWrite, Leaving
from canonical.lifecycle import State, Trigger
from store.columns import unindexed
from store.database import rows, transaction
from store.healing import load_command, stored_operations
from store.moves import apply_move

#: A range of the index of what no person was left to. Not where the EHR is known to be away.
DUE = """
SELECT c.id FROM commands c JOIN connections k ON k.id = c.connection_id
 WHERE c.state = 'incomplete' AND c.rest_left IS NULL AND c.due_at <= statement_timestamp()
   AND k.not_before <= clock_timestamp()
 ORDER BY c.due_at LIMIT %(limit)s
"""
#: Whoever comes second finds the row changed by the first, and takes nothing. Nor is a case decided under somebody's hands.
_TAKE = f"""
UPDATE commands c SET due_at = clock_timestamp() + %(lease)s
 WHERE c.id = %(command)s AND {unindexed("c.state")} = 'incomplete' AND c.rest_left IS NULL AND c.due_at <= clock_timestamp()
   AND NOT EXISTS (SELECT 1 FROM cases k WHERE k.command_id = c.id AND k.closed_at IS NULL
                      AND k.claimed_until > clock_timestamp())
RETURNING c.state_since AS since, clock_timestamp() AS now, c.state_reason AS reason, c.rest_tries AS tries
"""
#: The one that failed is the first that is not in the chart: nothing was sent after it.
_FAILED = """
SELECT coalesce(s.outcome, %(none)s) AS last,
       ARRAY(SELECT o.seq FROM operations o WHERE o.command_id = %(command)s AND o.state = 'planned') AS planned
  FROM (SELECT min(o.seq) AS seq FROM operations o
         WHERE o.command_id = %(command)s AND o.state NOT IN ('applied', 'verified')) f
  LEFT JOIN LATERAL (
    SELECT a.outcome FROM attempts a WHERE a.command_id = %(command)s AND a.operation_seq = f.seq AND a.kind = 'send'
     ORDER BY a.n DESC, a.id DESC LIMIT 1) s ON true
"""
#: What stopped it may have ended: its budget begins anew, and how often a machine may do this is counted apart.
_ANEW = "UPDATE commands SET spent = 0, stumbles = 0, rest_tries = rest_tries + 1 WHERE id = %(command)s"
_LEAVE = f"""
UPDATE commands SET rest_left = %(why)s, rest_left_who = %(who)s
 WHERE id = %(command)s AND {unindexed("state")} = 'incomplete' AND event_seq = %(event_seq)s AND rest_left IS NULL
RETURNING id
"""
_POSTPONE = f"""
UPDATE commands SET due_at = clock_timestamp() + %(wait)s
 WHERE id = %(command)s AND {unindexed("state")} = 'incomplete' AND event_seq = %(event_seq)s
"""


class StoredIncompleteWrites:
    """Fills :class:`canonical.incomplete.IncompleteWrites`; ``actor`` names this process in events. Thread-safe."""

    def __init__(self, engine: Engine, *, actor: str) -> None:
        """Work on ``engine``."""
        self._engine, self._actor = engine, actor

    def due(self, *, limit: int) -> list[UUID]:
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, DUE, {"limit": limit})]

    def take(self, command: UUID, *, lease: timedelta) -> IncompleteWrite | None:
        with transaction(self._engine) as connection:
            taken = rows(connection, _TAKE, {"command": command, "lease": lease})
            if not taken:
                return None
            (failed,) = rows(connection, _FAILED, {"command": command, "none": NONE})
            return IncompleteWrite(
                command=load_command(connection, command),
                operations=tuple(stored_operations(connection, command)),
                last=failed["last"],
                left_planned=frozenset(failed["planned"]),
                **taken[0],
            )

    def send_rest(self, write: IncompleteWrite) -> bool:
        command = write.command
        stands = [item.seq for item in command.operations if item.in_chart]
        step = move(State.INCOMPLETE, Trigger.REST_REPLAYED, write.reason, stands=stands, tries=write.tries + 1)
        with transaction(self._engine) as connection:
            moved = apply_move(connection, command.id, step, actor=self._actor, expected_seq=command.event_seq)
            if moved:
                rows(connection, _ANEW, {"command": command.id})
            return moved

    def leave(self, write: IncompleteWrite, leaving: Leaving) -> bool:
        with transaction(self._engine) as connection:
            return bool(rows(connection, _LEAVE, self._names(write) | {"why": leaving.why.value, "who": leaving.who}))

    def postpone(self, write: IncompleteWrite, wait: timedelta) -> None:
        with transaction(self._engine) as connection:
            rows(connection, _POSTPONE, self._names(write) | {"wait": wait})

    @staticmethod
    def _names(write: IncompleteWrite) -> dict[str, Any]:
        return {"command": write.command.id, "event_seq": write.command.event_seq}
