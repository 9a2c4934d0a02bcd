"""Two systems that undo each other's writes: counting what was undone, and the one case while which an app's writes wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical.echo import LOOP
from store.causes import CAUSE
from store.database import rows
from store.moves import case_parameters, due_from

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from canonical.echo_plan import EchoPlan

_UNDONE = """
INSERT INTO undone_writes (command_id, reference, tenant, connection_id, app)
SELECT c.id, %(reference)s, c.tenant, c.connection_id, c.app FROM commands c WHERE c.id = %(command)s
ON CONFLICT DO NOTHING RETURNING connection_id
"""
_IS_HELD = """
SELECT 1 FROM commands c JOIN write_loops w ON w.lane_id = c.lane_id AND w.subject = c.subject AND w.app = c.app
  JOIN cases k ON k.id = w.case_id AND k.closed_at IS NULL WHERE c.id = %(command)s
"""
#: What was undone before a person closed the last loop was part of it, and counts for no other.
_RECENT = """
SELECT count(DISTINCT u.command_id) AS many FROM undone_writes u JOIN commands c ON c.id = %(command)s
 WHERE u.connection_id = c.connection_id AND u.reference = %(reference)s AND u.app = c.app
   AND u.at > greatest(clock_timestamp() - %(within)s::interval,
         (SELECT coalesce(max(k.closed_at), '-infinity') FROM write_loops w JOIN cases k ON k.id = w.case_id
           WHERE w.lane_id = c.lane_id AND w.subject = c.subject AND w.app = c.app))
"""
_OPEN = f"""
WITH ca AS (
  INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds, cause)
  SELECT cm.tenant, cm.id, cm.connection_id, cm.action_type, '{LOOP}', %(case_pool)s, %(case_severity)s::smallint,
         {due_from("%(case_severity)s")}, false, {CAUSE}
    FROM commands cm WHERE cm.id = %(command)s
  ON CONFLICT DO NOTHING RETURNING id)
INSERT INTO write_loops (case_id, tenant, lane_id, subject, app)
SELECT ca.id, c.tenant, c.lane_id, c.subject, c.app FROM ca JOIN commands c ON c.id = %(command)s RETURNING case_id
"""


def note_undone(connection: psycopg.Connection[Any], command: UUID, reference: str, *, plan: EchoPlan) -> int | None:
    """Note that somebody undid what ``command`` wrote to ``reference``; return the case of a loop that this makes.

    The caller holds the entry's row of ``touched_entries``: of two looks at once, one is the one too many.
    """
    names = {"command": command, "reference": reference, "within": plan.loop_within}
    if not rows(connection, _UNDONE, names) or rows(connection, _IS_HELD, names):
        return None
    if rows(connection, _RECENT, names)[0]["many"] < plan.loop_writes:
        return None
    opened = rows(connection, _OPEN, names | case_parameters(LOOP))
    return opened[0]["case_id"] if opened else None
