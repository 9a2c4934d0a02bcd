"""Taking an incomplete command back part by part, as stored: how it begins, what each proof does to its part, how it ends.

One commit begins it: the decision, the command's move and the commands that do it, so that none of them is there without the
others. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.admission import Admission
from canonical.case_kinds import case_kind
from canonical.case_store import Resolution, Resolved
from canonical.incomplete import Left
from canonical.lifecycle import OPEN, State
from canonical.part_ends import TAKEN_BACK_BY, PartsStand, ending_of
from canonical.part_store import PART_STANDS_CASE, Begun
from store.admissions import Admissions
from store.columns import listed
from store.database import rows, transaction
from store.intake import LaneJoinedError, insert
from store.moves import apply_move, due_from
from store.resolutions import UnresolvedError, carry_out

#: A claim and a settle take the lane before the command: so does this, which gives commands to the lane.
_LOCK_LANE = "SELECT 1 FROM lanes l JOIN commands c ON c.lane_id = l.id WHERE c.id = %(root)s FOR UPDATE OF l"
_REMOVED = """
UPDATE operations SET state = 'removed' WHERE command_id = %(root)s AND seq = ANY (%(removed)s)
   AND state IN ('applied', 'verified')
"""
#: What only told people in words that something is to be undone has undone nothing.
_UNDONE = """
UPDATE operations o SET state = CASE WHEN c.takes_back THEN %(taken_back)s ELSE %(made_up)s END
  FROM commands c
 WHERE c.id = %(by)s AND c.sent_as IS NULL AND o.command_id = c.undoes AND o.seq = c.undoes_seq
RETURNING o.command_id AS root
"""
#: Locked first and looked at then: a statement that waited for the lock would still see what was there before it.
_LOCK = "SELECT event_seq FROM commands WHERE id = %(root)s AND state = 'taking_back' FOR UPDATE"
_UNDER_WAY = f"SELECT 1 FROM commands WHERE undoes = %(root)s AND state IN ({listed(OPEN)}) LIMIT 1"
_STANDS = """
SELECT o.seq, o.state, o.resource_type,
       (SELECT e.detail FROM events e WHERE e.command_id = o.command_id AND e.trigger = 'take_back_decided'
         ORDER BY e.seq DESC LIMIT 1) AS decided
  FROM operations o WHERE o.command_id = %(root)s ORDER BY o.seq
"""
#: No machine sends the rest after a person decided to take back what stands; whoever opens its case may.
_LEAVE = "UPDATE commands SET rest_left = %(why)s, rest_left_who = '' WHERE id = %(root)s"
_ASK = f"""
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds)
SELECT c.tenant, c.id, c.connection_id, c.action_type, %(kind)s, %(pool)s, %(severity)s::smallint,
       {due_from("%(severity)s")}, false
  FROM commands c WHERE c.id = %(root)s
ON CONFLICT DO NOTHING
"""
DUE = f"""
SELECT r.id FROM commands r
 WHERE r.state = 'taking_back'
   AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.undoes = r.id AND b.state IN ({listed(OPEN)}))
 ORDER BY r.state_since LIMIT %(limit)s
"""


class StoredPartCompensations:
    """Fills :class:`canonical.part_store.PartCompensations`; ``actor`` names this process in events. Thread-safe."""

    def __init__(self, engine: Engine, admissions: Admissions, *, actor: str) -> None:
        """Work on ``engine``; ``admissions`` makes rows of what passed the door."""
        self._engine, self._admissions, self._actor = engine, admissions, actor

    def begin(
        self, resolution: Resolution, parts: Sequence[tuple[int, Admission]], removed: Sequence[int]
    ) -> Begun | Resolved:
        root = resolution.case.command_id
        new = [replace(self._admissions.new_command(item), undoes=root, undoes_seq=seq) for seq, item in parts]
        try:
            with transaction(self._engine) as connection:
                rows(connection, _LOCK_LANE, {"root": root})
                carry_out(connection, resolution)
                rows(connection, _REMOVED, {"root": root, "removed": list(removed)})
                lanes = [
                    insert(connection, replace(item, after=(before.id,) if before is not None else ())).lane_id
                    for before, item in zip([None, *new], new, strict=False)
                ]
                finish(connection, root, actor=self._actor)
        except UnresolvedError as refused:
            return refused.resolved
        except LaneJoinedError:
            return self.begin(resolution, parts, removed)
        return Begun(commands=tuple(item.id for item in new), lane_id=next(iter(lanes), None))

    def due(self, *, limit: int) -> list[UUID]:
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, DUE, {"limit": limit})]

    def finish(self, root: UUID) -> bool:
        with transaction(self._engine) as connection:
            return finish(connection, root, actor=self._actor)


def part_undone(connection: psycopg.Connection[Any], by: UUID, *, actor: str) -> None:
    """Note what the proven command ``by`` did to the part that it undoes; end that command if this was the last."""
    names = {"by": by, "taken_back": TAKEN_BACK_BY[True], "made_up": TAKEN_BACK_BY[False]}
    for row in rows(connection, _UNDONE, names):
        finish(connection, row["root"], actor=actor)


def finish(connection: psycopg.Connection[Any], root: UUID, *, actor: str) -> bool:
    """End the taking back of ``root`` if nothing that takes a part of it back is under way; ``False``: not yet, or done."""
    locked = rows(connection, _LOCK, {"root": root})
    if not locked or rows(connection, _UNDER_WAY, {"root": root}):
        return False
    ending = ending_of(_stand(rows(connection, _STANDS, {"root": root})))
    moved = apply_move(
        connection, root, ending.move, actor=actor, case=ending.case, expected_seq=locked[0]["event_seq"]
    )
    if ending.move.target is State.INCOMPLETE:
        rows(connection, _LEAVE, {"root": root, "why": Left.DECIDED.value})
    if ending.asks:
        kind = case_kind(PART_STANDS_CASE)
        asked = {"root": root, "kind": kind.name, "pool": kind.pool.value, "severity": kind.severity}
        rows(connection, _ASK, asked)
    return moved


def _stand(found: list[dict[str, Any]]) -> PartsStand:
    decided = (found[0]["decided"] or {}) if found else {}
    return PartsStand(
        operations=tuple((row["seq"], row["state"], row["resource_type"]) for row in found),
        left=frozenset(decided.get("left", ())),
        maybe=frozenset(decided.get("maybe", ())),
    )
