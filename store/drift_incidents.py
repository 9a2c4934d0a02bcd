"""Too much drift at one connection: one case for all of it, while which the connection's replays wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical.case_kinds import case_kind
from canonical.drift import INCIDENT
from store.database import rows, transaction
from store.moves import due_from

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg
    from sqlalchemy import Engine

    from canonical.drift_plan import DriftPlan

_IS_OPEN = f"""
SELECT 1 FROM cases WHERE connection_id = %(connection)s AND kind = '{INCIDENT}' AND closed_at IS NULL
"""
#: What was found before an incident was closed was part of it, and counts for no other.
_RECENT = f"""
SELECT count(DISTINCT f.command_id) AS many FROM drift_findings f
 WHERE f.connection_id = %(connection)s AND f.at > greatest(clock_timestamp() - %(within)s::interval,
         (SELECT coalesce(max(k.closed_at), '-infinity') FROM cases k
           WHERE k.connection_id = %(connection)s AND k.kind = '{INCIDENT}'))
"""
_OPEN = f"""
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds, cause)
SELECT c.tenant, c.id, c.connection_id, c.action_type, '{INCIDENT}', %(pool)s, %(severity)s::smallint,
       {due_from("%(severity)s")}, false, ''
  FROM commands c WHERE c.id = %(command)s
ON CONFLICT DO NOTHING
"""
_PARKED = f"""
SELECT n.name FROM connections n JOIN cases k ON k.connection_id = n.id
 WHERE n.tenant = %(tenant)s AND k.kind = '{INCIDENT}' AND k.closed_at IS NULL ORDER BY n.name
"""


def belongs_to_incident(
    connection: psycopg.Connection[Any], *, connection_id: int, command: UUID, plan: DriftPlan
) -> bool:
    """Return whether a finding is one of an incident, after opening it where this finding is the one too many.

    The caller holds the connection's row of ``drift_budgets`` and has stored the finding.
    """
    names = {"connection": connection_id, "command": command, "within": plan.incident_within}
    if rows(connection, _IS_OPEN, names):
        return True
    if rows(connection, _RECENT, names)[0]["many"] <= plan.incident_writes:
        return False
    kind = case_kind(INCIDENT)
    rows(connection, _OPEN, names | {"pool": kind.pool.value, "severity": kind.severity})
    return True


class DriftIncidents:
    """What others may ask of incidents."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def parked(self, tenant: str) -> frozenset[str]:
        """Return the tenant's connections whose replays wait, because an incident there is open."""
        with transaction(self._engine) as connection:
            return frozenset(row["name"] for row in rows(connection, _PARKED, {"tenant": tenant}))
