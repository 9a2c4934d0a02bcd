"""What nobody confirmed in time, and what was done about it. Two at once do it once: each holds the command's row, or goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.acknowledging import UNACKNOWLEDGED, Fallback, How, Overdue
from canonical.case_kinds import case_kind
from canonical.events import Note
from canonical.lifecycle import State
from store.acknowledgements import confirm
from store.causes import CAUSE
from store.database import rows, transaction
from store.moves import case_parameters, due_from
from store.notes import note_fact

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg
    from sqlalchemy import Engine

#: The first by the index; the content of no more than those.
OVERDUE = """
WITH due AS MATERIALIZED (
  SELECT a.command_id, a.sequence, a.severity, a.due_at FROM acknowledgements a
   WHERE a.acknowledged_at IS NULL AND a.fallback_at IS NULL AND a.due_at <= statement_timestamp()
   ORDER BY a.due_at LIMIT %(limit)s)
SELECT c.id, c.tenant, c.app, k.name AS connection, due.sequence, due.severity, c.state, c.state_reason AS reason, c.sent_as,
       c.correlation_id, c.received_at, p.content AS envelope
  FROM due JOIN commands c ON c.id = due.command_id JOIN connections k ON k.id = c.connection_id
  JOIN payloads p ON p.tenant = c.tenant AND p.digest = c.envelope_digest
 ORDER BY due.due_at, c.id
"""
_HOLD = "SELECT 1 FROM commands WHERE id = %(command)s FOR UPDATE"
_FALLEN_BACK = """
UPDATE acknowledgements SET fallback = %(fallback)s, fallback_at = clock_timestamp(), message_id = %(message)s
 WHERE command_id = %(command)s AND sequence = %(sequence)s AND acknowledged_at IS NULL AND fallback_at IS NULL
RETURNING severity
"""
_TOLD_BY = "SELECT command_id FROM acknowledgements WHERE message_id = %(message)s AND acknowledged_at IS NULL"
#: A message of ours owes something only once it stopped.
_STOPPED = "SELECT 1 FROM acknowledgements WHERE command_id = %(message)s"
_TO_CASE = f"""
UPDATE acknowledgements SET fallback = '{Fallback.CASE}', fallback_at = clock_timestamp()
 WHERE command_id = %(command)s AND message_id = %(message)s AND acknowledged_at IS NULL
   AND fallback = '{Fallback.MESSAGE}'
RETURNING severity, sequence
"""
_CASE = f"""
INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds, detail, cause)
SELECT cm.tenant, cm.id, cm.connection_id, cm.action_type, '{UNACKNOWLEDGED}', %(case_pool)s, %(severity)s::smallint,
       {due_from("%(severity)s")}, false, %(detail)s::jsonb, {CAUSE}
  FROM commands cm WHERE cm.id = %(command)s
ON CONFLICT DO NOTHING
"""
_ARRIVED = """
SELECT a.command_id, a.message_id FROM acknowledgements a JOIN commands m ON m.id = a.message_id
 WHERE a.message_id IS NOT NULL AND a.acknowledged_at IS NULL AND m.state = 'verified'
 ORDER BY a.command_id LIMIT %(limit)s
"""
_STILL_OF = "SELECT 1 FROM acknowledgements WHERE command_id = %(command)s AND message_id = %(message)s"


class OverdueAcknowledgements:
    """Fills :class:`canonical.acknowledging.OverdueList`. Thread-safe."""

    def __init__(self, engine: Engine, *, actor: str) -> None:
        """Work on ``engine`` as ``actor``, the process for the events."""
        self._engine, self._actor = engine, actor

    def overdue(self, *, limit: int) -> list[Overdue]:
        with transaction(self._engine) as connection:
            found = rows(connection, OVERDUE, {"limit": limit})
        kinds = [{"state": State(row["state"]), "envelope": bytes(row["envelope"])} for row in found]
        return [Overdue(**(row | kind)) for row, kind in zip(found, kinds, strict=True)]

    def ask_operations(self, overdue: Overdue, *, why: str) -> bool:
        with transaction(self._engine) as connection:
            severity = self._fall_back(connection, overdue, Fallback.CASE, None)
            if severity is None:
                return False
            self._open(connection, overdue.id, severity=severity, sequence=overdue.sequence, why=why)
        return True

    def message_given(self, overdue: Overdue, message: UUID) -> bool:
        with transaction(self._engine) as connection:
            # Held first, as where it is handed on: a message that stopped before it was noted here must not be lost between us.
            rows(connection, _HOLD, {"command": message})
            if self._fall_back(connection, overdue, Fallback.MESSAGE, message) is None:
                return False
            note_fact(
                connection,
                overdue.id,
                Note.AUTHOR_MESSAGED,
                "not-acknowledged",
                actor=self._actor,
                sequence=overdue.sequence,
                message=str(message),
            )
            if rows(connection, _STOPPED, {"message": message}):
                self._to_case(connection, overdue.id, message)
        return True

    def hand_on(self, notice: Overdue) -> bool:
        with transaction(self._engine) as connection:
            rows(connection, _HOLD, {"command": notice.id})
            found = rows(connection, _TOLD_BY, {"message": notice.id})
            handed = [self._to_case(connection, row["command_id"], notice.id) for row in found]
            confirm(connection, notice.id, How.HANDED_ON, actor=self._actor)
        return any(handed)

    def messages_arrived(self, *, limit: int) -> int:
        with transaction(self._engine) as connection:
            found = rows(connection, _ARRIVED, {"limit": limit})
        return sum(self._arrived(row["command_id"], row["message_id"]) for row in found)

    def _arrived(self, command: UUID, message: UUID) -> bool:
        names = {"command": command, "message": message}
        with transaction(self._engine) as connection:
            rows(connection, _HOLD, names)
            still = rows(connection, _STILL_OF, names)
            return bool(still) and confirm(connection, command, How.MESSAGE, actor=self._actor)

    def _fall_back(
        self, connection: psycopg.Connection[Any], overdue: Overdue, fallback: Fallback, message: UUID | None
    ) -> int | None:
        """Take the row for one fallback and return its severity; ``None``: somebody else did, or it is owed no more."""
        names = {
            "command": overdue.id,
            "sequence": overdue.sequence,
            "fallback": fallback.value,
            "message": message,
        }
        rows(connection, _HOLD, names)
        found = rows(connection, _FALLEN_BACK, names)
        return found[0]["severity"] if found else None

    def _to_case(self, connection: psycopg.Connection[Any], command: UUID, message: UUID) -> bool:
        names = {"command": command, "message": message}
        rows(connection, _HOLD, names)
        found = rows(connection, _TO_CASE, names)
        if found:
            self._open(connection, command, why="message-stopped", **found[0])
        return bool(found)

    def _open(
        self, connection: psycopg.Connection[Any], command: UUID, *, severity: int, sequence: int, why: str
    ) -> None:
        kind = case_kind(UNACKNOWLEDGED)
        names = case_parameters(UNACKNOWLEDGED) | {
            "command": command,
            # As severe as what nobody learned of, where that is more.
            "severity": min(kind.severity, severity),
            "detail": exact_json.dumps({"sequence": sequence, "why": why}),
        }
        rows(connection, _CASE, names)
        note_fact(connection, command, Note.UNACKNOWLEDGED, why, actor=self._actor, sequence=sequence)
