"""Writes that the EHR's own staff must accept: which are asked for now, and the moves that come of it. It judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.acceptance import LEASE, NOT_IN_TIME, TURNED_DOWN, Allowance, Sighting, WaitingWrite
from canonical.events import move
from canonical.lifecycle import OPEN, State, Trigger
from store.columns import listed, unindexed
from store.database import rows, transaction
from store.healing import load_command, stored_operations
from store.moves import apply_move
from store.settles import own_entries

#: What a connection allows; one that no setting names (any more) is not asked, and has the default time.
_ALLOWED = """
unnest(%(tenants)s::text[], %(names)s::text[], %(mosts)s::int[], %(boxes)s::interval[]) AS a (tenant, name, most, box)
"""
#: Of each connection a range of the index. Not where the EHR is known to be away.
DUE = f"""
SELECT c.id FROM {_ALLOWED} JOIN connections k ON k.tenant = a.tenant AND k.name = a.name
 CROSS JOIN LATERAL (
   SELECT w.id, w.due_at FROM commands w
    WHERE w.connection_id = k.id AND w.state = 'pending_remote' AND w.due_at <= statement_timestamp()
    ORDER BY w.due_at LIMIT a.most) c
 WHERE k.not_before <= clock_timestamp() ORDER BY c.due_at
"""
#: Whoever comes second finds the row changed by the first, and takes nothing.
_TAKE = f"""
UPDATE commands SET due_at = clock_timestamp() + %(lease)s
 WHERE id = %(command)s AND {unindexed("state")} = 'pending_remote' AND due_at <= clock_timestamp()
RETURNING state_since AS since, clock_timestamp() AS now
"""
_HELD = "SELECT seq FROM operations WHERE command_id = %(command)s AND state = 'pending_remote'"
_POSTPONE = f"""
UPDATE commands SET due_at = clock_timestamp() + %(wait)s
 WHERE id = %(command)s AND {unindexed("state")} = 'pending_remote' AND event_seq = %(event_seq)s
"""
#: An intake may be storing a command about the very entry that gets its name here.
_LOCK_LANE = "SELECT 1 FROM lanes WHERE id = %(lane)s FOR UPDATE"
_SEEN = """
UPDATE operations SET state = 'applied', reference = %(reference)s, version_written = %(version)s
 WHERE command_id = %(command)s AND seq = %(seq)s
"""
_LINK = """
INSERT INTO links (connection_id, reference, tenant, root, version)
SELECT connection_id, %(reference)s, tenant, root, %(version)s FROM commands WHERE id = %(command)s
ON CONFLICT (connection_id, reference) DO UPDATE
   SET version = coalesce(excluded.version, links.version), changed_at = clock_timestamp()
"""
#: What was said of the entry by its name, before we knew that it is ours, belongs to the subject of its creator. The lane
#: is looked up first: a join finds all that is open as good as the lane's, right after an outage.
_JOIN_SUBJECT = f"""
UPDATE commands f SET subject = c.subject,
       root = CASE WHEN f.action_type || '.' || f.operation = ANY (%(own_entries)s) THEN f.root ELSE c.root END
  FROM commands c
 WHERE c.id = %(command)s AND f.lane_id = (SELECT m.lane_id FROM commands m WHERE m.id = %(command)s) AND f.id <> c.id
   AND f.subject = 'ref:' || %(reference)s AND f.subject <> c.subject AND f.state IN ({listed(OPEN)})
"""
#: Of each connection a range of the index, the longest waiting first; those of no setting have the default time.
ENDED = f"""
SELECT c.id FROM connections k
  LEFT JOIN {_ALLOWED} ON a.tenant = k.tenant AND a.name = k.name
 CROSS JOIN LATERAL (
   SELECT w.id, w.state_since FROM commands w
    WHERE w.connection_id = k.id AND w.state = 'pending_remote'
      AND w.state_since <= statement_timestamp() - coalesce(a.box, %(otherwise)s::interval)
    ORDER BY w.state_since LIMIT %(limit)s) c
 ORDER BY c.state_since LIMIT %(limit)s
"""


def allowed(allowances: Sequence[Allowance]) -> dict[str, Any]:
    """Return the parameters of what the connections allow."""
    return {
        "tenants": [item.tenant for item in allowances],
        "names": [item.name for item in allowances],
        "mosts": [item.most for item in allowances],
        "boxes": [item.time_box for item in allowances],
    }


class StoredWaitingWrites:
    """Fills :class:`canonical.acceptance.WaitingWrites`; ``actor`` names this process in events. Thread-safe."""

    def __init__(self, engine: Engine, *, actor: str) -> None:
        """Work on ``engine``."""
        self._engine, self._actor = engine, actor

    def due(self, allowances: Sequence[Allowance]) -> list[UUID]:
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, DUE, allowed(allowances))]

    def take(self, command: UUID) -> WaitingWrite | None:
        with transaction(self._engine) as connection:
            taken = rows(connection, _TAKE, {"command": command, "lease": LEASE})
            if not taken:
                return None
            held = {row["seq"] for row in rows(connection, _HELD, {"command": command})}
            operations = tuple(item for item in stored_operations(connection, command) if item.seq in held)
            return WaitingWrite(command=load_command(connection, command), operations=operations, **taken[0])

    def become_visible(self, write: WaitingWrite, sightings: Sequence[Sighting]) -> bool:
        step = move(State.PENDING_REMOTE, Trigger.BECAME_VISIBLE, versions=[item.version for item in sightings])
        with transaction(self._engine) as connection:
            rows(connection, _LOCK_LANE, {"lane": write.command.lane_id})
            if not self._make(connection, write, step):
                return False
            for item in sightings:
                names = {"command": write.command.id, "reference": item.reference, "version": item.version}
                rows(connection, _SEEN, names | {"seq": item.seq})
                rows(connection, _LINK, names)
                rows(connection, _JOIN_SUBJECT, names | {"own_entries": own_entries()})
            return True

    def turn_down(self, write: WaitingWrite) -> bool:
        step = move(State.PENDING_REMOTE, Trigger.ANSWERED_REFUSED, TURNED_DOWN.replace("_", "-"))
        with transaction(self._engine) as connection:
            return self._make(connection, write, step, case=TURNED_DOWN)

    def _make(
        self, connection: psycopg.Connection[Any], write: WaitingWrite, step: Any, *, case: str | None = None
    ) -> bool:
        command = write.command
        return apply_move(connection, command.id, step, actor=self._actor, case=case, expected_seq=command.event_seq)

    def postpone(self, write: WaitingWrite, wait: timedelta) -> None:
        names = {"wait": wait, "command": write.command.id, "event_seq": write.command.event_seq}
        with transaction(self._engine) as connection:
            rows(connection, _POSTPONE, names)

    def end_time_boxes(self, allowances: Sequence[Allowance], *, limit: int, otherwise: timedelta) -> list[UUID]:
        step = move(State.PENDING_REMOTE, Trigger.TIME_BOX_ENDED)
        names = allowed(allowances) | {"limit": limit, "otherwise": otherwise}
        with transaction(self._engine) as connection:
            return [
                row["id"]
                for row in rows(connection, ENDED, names)
                if apply_move(connection, row["id"], step, actor=self._actor, case=NOT_IN_TIME)
            ]
