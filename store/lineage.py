"""Which commands of ours stand behind one entry of the chart, for those who look ahead. Reads only."""

from uuid import UUID

from sqlalchemy import Engine

from store.database import rows, transaction

_WRITTEN = """
SELECT o.reference FROM operations o JOIN commands c ON c.id = o.command_id
 WHERE c.tenant = %(tenant)s AND c.id = %(command)s AND o.is_primary AND o.reference IS NOT NULL
 ORDER BY o.seq LIMIT 1
"""
#: What changes the entry by its reference or by the command that made it, and is not without effect.
_FOLLOWERS = """
SELECT c.id FROM commands c
 WHERE c.tenant = %(tenant)s AND c.state NOT IN ('rejected', 'withdrawn', 'expired', 'superseded')
   AND (c.target_reference = %(reference)s OR c.target_command = %(command)s
        OR c.target_command IN (SELECT o.command_id FROM operations o
                                 WHERE o.tenant = %(tenant)s AND o.reference = %(reference)s AND o.is_primary))
 ORDER BY c.received_at LIMIT %(most)s
"""
#: As many as a person can look at.
MOST = 50


class Lineage:
    """The commands of every tenant by the entries they wrote."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def written(self, tenant: str, command: UUID) -> str | None:
        """Return the reference (``Type/id``) of what a command wrote, if it is known."""
        with transaction(self._engine) as connection:
            found = rows(connection, _WRITTEN, {"tenant": tenant, "command": command})
        return found[0]["reference"] if found else None

    def followers(self, tenant: str, reference: str | None, command: UUID | None) -> tuple[UUID, ...]:
        """Return the commands that change the entry ``reference``, or what ``command`` wrote, oldest first."""
        parameters = {"tenant": tenant, "reference": reference, "command": command, "most": MOST}
        with transaction(self._engine) as connection:
            return tuple(row["id"] for row in rows(connection, _FOLLOWERS, parameters))
