"""Conflicts whose chart a machine looks at: which are due, and taking one for a look. Fills ``canonical.case_watch.LookList``."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from canonical.case_store import StoredCase
from store.case_rows import CASE_COLUMNS, CASE_JOINS, case_from
from store.columns import unindexed
from store.database import rows, transaction

#: Not while a person has it or its author is asked: then it is theirs. Nor where the EHR is known to be away.
_DUE = f"""
k.kind = 'conflict' AND k.closed_at IS NULL AND k.next_look_at <= statement_timestamp()
AND (k.claimed_until IS NULL OR k.claimed_until <= clock_timestamp()) AND k.asked_until IS NULL
AND EXISTS (SELECT 1 FROM commands c WHERE c.id = k.command_id AND {unindexed("c.state")} = 'conflicted' OFFSET 0)
AND EXISTS (SELECT 1 FROM connections n WHERE n.id = k.connection_id AND n.not_before <= clock_timestamp() OFFSET 0)
"""
_FIND = f"SELECT k.id FROM cases k WHERE {_DUE} ORDER BY k.next_look_at, k.id LIMIT %(limit)s"
#: Whoever comes second finds the row changed by the first, and takes nothing.
_TAKE = f"""
UPDATE cases k SET next_look_at = clock_timestamp() + %(lease)s WHERE k.id = %(case)s AND {_DUE} RETURNING k.id
"""
_READ = f"SELECT {CASE_COLUMNS} FROM cases k {CASE_JOINS} WHERE k.id = %(case)s"
_PUT_OFF = """
UPDATE cases SET next_look_at = clock_timestamp() + %(wait)s WHERE id = %(case)s AND closed_at IS NULL
"""
_RAISE = """
UPDATE cases SET severity = least(severity, %(severity)s::smallint), due_at = least(due_at, opened_at + %(within)s),
       up_at = CASE WHEN severity > %(severity)s::smallint THEN NULL ELSE up_at END, version = version + 1
 WHERE id = %(case)s AND closed_at IS NULL AND (severity > %(severity)s::smallint OR due_at > opened_at + %(within)s)
RETURNING id
"""


class Looks:
    """Fills :class:`canonical.case_watch.LookList`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def due(self, *, limit: int) -> list[int]:
        with transaction(self._engine) as connection:
            return [row["id"] for row in rows(connection, _FIND, {"limit": limit})]

    def take(self, case_id: int, *, lease: timedelta) -> StoredCase | None:
        with transaction(self._engine) as connection:
            taken = rows(connection, _TAKE, {"case": case_id, "lease": lease})
            found = rows(connection, _READ, {"case": case_id}) if taken else []
        return case_from(found[0]) if found else None

    def put_off(self, case: StoredCase, *, wait: timedelta) -> None:
        with transaction(self._engine) as connection:
            rows(connection, _PUT_OFF, {"case": case.id, "wait": wait})

    def raise_severity(self, case: StoredCase, *, severity: int, within: timedelta) -> bool:
        names = {"case": case.id, "severity": severity, "within": within}
        with transaction(self._engine) as connection:
            return bool(rows(connection, _RAISE, names))
