"""Who opened the restricted content of a command, when, and why: an event of the command. The reason is among the payloads."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine

from canonical import exact_json
from canonical.events import Note
from store.database import rows, transaction

_BREAK = """
WITH cm AS (
  UPDATE commands SET event_seq = event_seq + 1 WHERE tenant = %(tenant)s AND id = %(command)s
  RETURNING id, tenant, event_seq, state),
pl AS (
  INSERT INTO payloads (tenant, digest, content) SELECT cm.tenant, %(digest)s, %(content)s FROM cm ON CONFLICT DO NOTHING)
INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor, detail)
SELECT cm.tenant, cm.id, cm.event_seq, %(note)s, cm.state, cm.state, 'reason-given', %(person)s, %(detail)s::jsonb FROM cm
RETURNING seq
"""
_IS_BROKEN = """
SELECT 1 FROM events WHERE tenant = %(tenant)s AND command_id = %(command)s AND trigger = %(note)s AND actor = %(person)s
   AND at > clock_timestamp() - %(within)s::interval LIMIT 1
"""


class StoredGlass:
    """Fills :class:`canonical.review_reads.Glass`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def is_broken(self, tenant: str, command: UUID, *, person: str, within: timedelta) -> bool:
        names = {"tenant": tenant, "command": command, "person": person, "within": within, "note": Note.GLASS_BROKEN}
        with transaction(self._engine) as connection:
            return bool(rows(connection, _IS_BROKEN, names))

    def break_for(self, tenant: str, command: UUID, *, person: str, reason: str) -> bool:
        content = exact_json.canonical_bytes({"verb": Note.GLASS_BROKEN.value, "text": reason})
        digest = hashlib.sha256(content).digest()
        names = {
            "tenant": tenant,
            "command": command,
            "person": person,
            "note": Note.GLASS_BROKEN,
            "content": content,
            "digest": digest,
            "detail": exact_json.dumps({"said": digest.hex()}),
        }
        with transaction(self._engine) as connection:
            return bool(rows(connection, _BREAK, names))
