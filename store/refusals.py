"""What the doors refused: the reason and the fields, never a value; for messages also the body, as the only copy."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from canonical import exact_json
from canonical.admission import Refusal
from store.database import rows, transaction

_KEEP_BODY = """
INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(body_digest)s, %(body)s) ON CONFLICT DO NOTHING
"""
_RECORD = """
INSERT INTO refused_messages (tenant, app, door, code, errors, body_digest, message_digest)
VALUES (%(tenant)s, %(app)s, %(door)s, %(code)s, %(errors)s::jsonb, %(body_digest)s, %(message_digest)s)
ON CONFLICT (message_digest) WHERE message_digest IS NOT NULL DO NOTHING
"""
_RECENT = """
SELECT door, code, count(*) AS n FROM refused_messages
 WHERE refused_at >= %(since)s AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
 GROUP BY door, code ORDER BY door, code
"""


class Refusals:
    """The refusals of every tenant (``?`` where none was known)."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def record(self, refusal: Refusal) -> None:
        """Keep one refusal, body included if it has one; the same message again adds nothing."""
        body = refusal.body
        parameters: dict[str, Any] = vars(refusal) | {
            "errors": exact_json.dumps([vars(error) for error in refusal.errors]),
            "body_digest": hashlib.sha256(body).digest() if body is not None else None,
        }
        with transaction(self._engine) as connection:
            if body is not None:
                rows(connection, _KEEP_BODY, parameters)
            rows(connection, _RECORD, parameters)

    def counts(self, *, since: datetime, tenant: str | None = None) -> list[tuple[str, str, int]]:
        """Return (door, code, count) of what was refused since then (UTC)."""
        with transaction(self._engine) as connection:
            found = rows(connection, _RECENT, {"since": since, "tenant": tenant})
        return [(row["door"], row["code"], row["n"]) for row in found]
