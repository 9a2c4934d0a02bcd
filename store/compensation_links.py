"""Which command took another out of the chart, and which one it took out: the links both ways. Reads only."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine

from canonical.lifecycle import State
from canonical.review_reads import RelatedCommand
from store.database import rows, transaction

#: What takes an entry back is of its subject and names its command, or the entry itself; what takes back a part of a command
#: names that one beside.
RELATED = """
SELECT b.id, b.operation, b.state, b.takes_back OR b.undoes IS NOT DISTINCT FROM c.id AS takes_back,
       coalesce(CASE WHEN b.undoes = c.id THEN b.undoes_seq END, CASE WHEN c.undoes = b.id THEN c.undoes_seq END) AS part
  FROM commands c JOIN commands b ON b.lane_id = c.lane_id AND b.id <> c.id
 WHERE c.id = %(command)s
   AND (b.undoes = c.id OR c.undoes = b.id
        OR (b.subject = c.subject AND b.undoes IS NULL AND b.takes_back
            AND (b.target_command = c.id OR (b.target_command IS NULL AND b.root = c.id)))
        OR (b.subject = c.subject AND c.undoes IS NULL AND c.takes_back
            AND (b.id = c.target_command OR (c.target_command IS NULL AND b.id = c.root))))
 ORDER BY b.lane_seq
"""


class CompensationLinks:
    """The links between commands and those that take them back. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def of(self, command: UUID) -> tuple[RelatedCommand, ...]:
        """Return the commands that took ``command`` back or were taken back by it, in the order in which they came."""
        with transaction(self._engine) as connection:
            found = rows(connection, RELATED, {"command": command})
        return tuple(RelatedCommand(**(row | {"state": State(row["state"])})) for row in found)
