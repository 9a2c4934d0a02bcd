"""What the doors refused: the reason and the fields, never a value; for messages also the body, as the only copy."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from canonical import exact_json
from canonical.admission import Refusal
from canonical.errors import FieldError
from store.database import rows, transaction

#: Bytes of a refused body that are kept where no setting says otherwise.
KEEP_AT_MOST = 1024 * 1024
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

    def __init__(self, engine: Engine, *, keep_at_most: int = KEEP_AT_MOST) -> None:
        """Work on ``engine``; a body of more than ``keep_at_most`` bytes is kept as its digest and size only."""
        self._engine, self._keep_at_most = engine, keep_at_most

    def record(self, refusal: Refusal) -> None:
        """Keep one refusal, body included if it has one that is not too large; the same message again adds nothing."""
        body = refusal.body
        is_kept = body is not None and len(body) <= self._keep_at_most
        errors = refusal.errors if body is None or is_kept else (*refusal.errors, self._not_kept(body))
        parameters: dict[str, Any] = vars(refusal) | {
            "errors": exact_json.dumps([vars(error) for error in errors]),
            "body_digest": hashlib.sha256(body).digest() if body is not None else None,
        }
        with transaction(self._engine) as connection:
            if is_kept:
                rows(connection, _KEEP_BODY, parameters)
            rows(connection, _RECORD, parameters)

    def _not_kept(self, body: bytes) -> FieldError:
        detail = f"{len(body)} bytes: more than the {self._keep_at_most} that are kept; only the SHA-256 was"
        return FieldError(pointer="", code="body-not-kept", detail=detail)

    def counts(self, *, since: datetime, tenant: str | None = None) -> list[tuple[str, str, int]]:
        """Return (door, code, count) of what was refused since then (UTC)."""
        with transaction(self._engine) as connection:
            found = rows(connection, _RECENT, {"since": since, "tenant": tenant})
        return [(row["door"], row["code"], row["n"]) for row in found]
