"""Facts about a command that move it nowhere, written to its events; what moves one is ``moves.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.status import Status
from store.database import rows

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg

    from canonical.events import Note

#: Source and target are where the command stands. It makes a poller see that there is news.
_NOTE = """
WITH cm AS (
  UPDATE commands SET event_seq = event_seq + 1 WHERE id = %(command)s
  RETURNING id, tenant, app, event_seq, state),
ev AS (
  INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor, detail)
  SELECT cm.tenant, cm.id, cm.event_seq, %(trigger)s, cm.state, cm.state, %(reason)s, %(actor)s, %(detail)s::jsonb FROM cm)
INSERT INTO callbacks (tenant, endpoint_id, command_id, sequence, status, state, reason)
SELECT cm.tenant, e.id, cm.id, cm.event_seq, %(status)s, cm.state, %(reason)s
  FROM cm JOIN endpoints e ON e.tenant = cm.tenant AND e.app = cm.app AND e.disabled_at IS NULL
 WHERE %(tells)s
"""


def note_fact(
    connection: psycopg.Connection[Any],
    command: UUID,
    note: Note,
    reason: str,
    *,
    actor: str,
    tells: bool = False,
    **detail: Any,
) -> None:
    """Add ``note`` to the events of ``command``; ``tells``: its app is told that a person is needed."""
    names = {
        "command": command,
        "trigger": note.value,
        "reason": reason,
        "actor": actor,
        "detail": exact_json.dumps(detail),
        "status": Status.NEEDS_ATTENTION.value,
        "tells": tells,
    }
    rows(connection, _NOTE, names)
