"""What apps owe, and that it was confirmed: the door's side. What follows where nobody confirms: ``overdue.py``.

Whoever changes a row holds its command's row first, as the moves do that make rows and end them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from canonical.acknowledging import (
    UNACKNOWLEDGED,
    Fallback,
    Heard,
    How,
    OpenOwed,
    Owed,
    OwedFigures,
)
from canonical.events import Note
from canonical.lifecycle import State
from store.database import rows, transaction
from store.notes import note_fact

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg
    from sqlalchemy import Engine

_SET_TERM = """
INSERT INTO acknowledgement_terms (severity, within) VALUES (%(severity)s, %(within)s)
ON CONFLICT (severity) DO UPDATE SET within = excluded.within WHERE acknowledgement_terms.within <> excluded.within
"""
_COMMAND = """
SELECT id, event_seq FROM commands WHERE tenant = %(tenant)s AND app = %(app)s AND id = %(command)s FOR UPDATE
"""
_OWED = """
SELECT sequence, severity, owed_at, due_at, acknowledged_at, acknowledged_by, how, seen_by, fallback,
       fallback_at
  FROM acknowledgements WHERE tenant = %(tenant)s AND command_id = %(command)s
"""
_NOTED = """
UPDATE acknowledgements SET acknowledged_at = clock_timestamp(), acknowledged_by = %(actor)s, how = %(how)s,
       seen_by = %(seen_by)s
 WHERE command_id = %(command)s AND acknowledged_at IS NULL RETURNING sequence
"""
_CLOSE = f"""
UPDATE cases SET closed_at = clock_timestamp(), closed_reason = 'acknowledged', closed_by = %(actor)s, version = version + 1
 WHERE command_id = %(command)s AND kind = '{UNACKNOWLEDGED}' AND closed_at IS NULL
"""
#: An older callback that arrives late says nothing of where the command is now.
_SHOWN = """
SELECT a.command_id FROM endpoints e
  JOIN acknowledgements a ON a.command_id = %(command)s AND a.acknowledged_at IS NULL AND a.sequence <= %(sequence)s
 WHERE e.id = %(endpoint)s AND e.shows_author
"""
_HOLD = "SELECT 1 FROM commands WHERE id = %(command)s FOR UPDATE"
_STILL = "SELECT 1 FROM acknowledgements WHERE command_id = %(command)s AND sequence <= %(sequence)s"
_BY_PERSON = f"""
UPDATE acknowledgements a SET acknowledged_at = clock_timestamp(), acknowledged_by = %(actor)s, how = '{How.PERSON}'
  FROM cases k
 WHERE k.id = %(case)s AND k.kind = '{UNACKNOWLEDGED}' AND k.closed_at IS NOT NULL AND a.command_id = k.command_id
   AND a.acknowledged_at IS NULL AND a.fallback = '{Fallback.CASE}'
RETURNING a.command_id
"""
#: What the partial index holds: it costs what is owed, not what ever was.
_IS_OPEN = "a.acknowledged_at IS NULL AND a.owed_at <= statement_timestamp()"
FIGURES = f"""
SELECT count(*) AS count, coalesce(clock_timestamp() - min(a.owed_at), interval '0') AS oldest
  FROM acknowledgements a WHERE {_IS_OPEN}
"""
_NARROWS = {
    "tenant": "a.tenant = %(tenant)s",
    "connection": "k.name = %(connection)s",
    "since": "c.received_at >= timezone('UTC', %(since)s::timestamp)",
}
_JOINED = "FROM acknowledgements a JOIN commands c ON c.id = a.command_id JOIN connections k ON k.id = a.connection_id"
_COUNT = f"SELECT count(*) AS count, coalesce(clock_timestamp() - min(a.owed_at), interval '0') AS oldest {_JOINED}"
_LIST = f"SELECT a.command_id AS id, a.tenant, k.name AS connection, c.state, a.owed_at, a.due_at, a.fallback {_JOINED}"


def set_acknowledgement_terms(engine: Engine, terms: Mapping[int, timedelta]) -> None:
    """Let what is owed from now on be due within ``terms``: severity (1 to 4) → how long."""
    with transaction(engine) as connection:
        for severity, within in sorted(terms.items()):
            rows(connection, _SET_TERM, {"severity": severity, "within": within})


class Acknowledgements:
    """What is owed and what was confirmed. Thread-safe; each method is one transaction, or raises ``StoreUnavailableError``."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def of(self, tenant: str, command: UUID) -> Owed | None:
        """Return what is owed of a command, or was confirmed; ``None``: nothing was ever owed, or is any more."""
        with transaction(self._engine) as connection:
            return owed_of(connection, tenant, command)

    def acknowledge(
        self, tenant: str, app: str, command: UUID, *, sequence: int, seen_by: str | None, actor: str
    ) -> Heard | None:
        """Note that the author saw the command as of its event ``sequence``; ``None``: the app has no such command."""
        names = {"tenant": tenant, "app": app, "command": command}
        with transaction(self._engine) as connection:
            found = rows(connection, _COMMAND, names)
            if not found:
                return None
            if sequence > found[0]["event_seq"]:
                return Heard.NO_SUCH_EVENT
            owed = owed_of(connection, tenant, command)
            if owed is None:
                return Heard.NOTHING_OWED
            if sequence < owed.sequence:
                return Heard.OUTDATED
            return (
                Heard.NOTED if confirm(connection, command, How.APP, actor=actor, seen_by=seen_by) else Heard.REPEATED
            )

    def figures(
        self, *, tenant: str | None = None, connection: str | None = None, since: date | None = None
    ) -> OwedFigures:
        """Return how much is owed now, of what is narrowed to: a tenant, a connection's name, received since a day (UTC)."""
        with transaction(self._engine) as session:
            found = _narrowed(session, _COUNT, tenant=tenant, connection=connection, since=since)
        return OwedFigures(**found[0])

    def open(
        self, *, limit: int, tenant: str | None = None, connection: str | None = None, since: date | None = None
    ) -> list[OpenOwed]:
        """Return up to ``limit`` of those, what is owed longest first."""
        order = "ORDER BY a.owed_at, a.command_id LIMIT %(limit)s"
        with transaction(self._engine) as session:
            found = _narrowed(session, _LIST, order, limit=limit, tenant=tenant, connection=connection, since=since)
        return [
            OpenOwed(
                **(row | {"state": State(row["state"]), "fallback": row["fallback"] and Fallback(row["fallback"])})
            )
            for row in found
        ]


def _narrowed(session: psycopg.Connection[Any], select: str, order: str = "", **names: Any) -> list[dict[str, Any]]:
    where = " AND ".join([_IS_OPEN, *(text for name, text in _NARROWS.items() if names.get(name) is not None)])
    return list(rows(session, f"{select} WHERE {where} {order}", names))


def owed_of(connection: psycopg.Connection[Any], tenant: str, command: UUID) -> Owed | None:
    """Return what is owed of a command inside the caller's transaction."""
    found = rows(connection, _OWED, {"tenant": tenant, "command": command})
    if not found:
        return None
    row = found[0]
    kinds = {"how": row["how"] and How(row["how"]), "fallback": row["fallback"] and Fallback(row["fallback"])}
    return Owed(**(row | kinds))


def confirm(
    connection: psycopg.Connection[Any], command: UUID, how: How, *, actor: str, seen_by: str | None = None
) -> bool:
    """Note that what is owed of ``command``, whose row the caller holds, was confirmed, and close the case of it.

    ``False``: it was before, or nothing is owed.
    """
    names = {"command": command, "how": how.value, "actor": actor, "seen_by": seen_by}
    found = rows(connection, _NOTED, names)
    if not found:
        return False
    rows(connection, _CLOSE, names)
    reason = how.value.replace("_", "-")
    note_fact(connection, command, Note.ACKNOWLEDGED, reason, actor=actor, sequence=found[0]["sequence"])
    return True


def confirm_by_delivery(
    connection: psycopg.Connection[Any], command: UUID, *, sequence: int, endpoint: UUID, actor: str
) -> None:
    """Note that an app took the callback ``sequence`` at ``endpoint``, where it declares to show its author what it is told."""
    names = {"command": command, "sequence": sequence, "endpoint": endpoint}
    if not rows(connection, _SHOWN, names):
        return
    rows(connection, _HOLD, names)
    # It may have moved while we waited for its row.
    if rows(connection, _STILL, names):
        confirm(connection, command, How.DELIVERY, actor=actor)


def confirm_by_person(connection: psycopg.Connection[Any], case: int, *, actor: str) -> None:
    """Note that a person took on what is owed of the command of ``case``, which they closed, if it is a case of that."""
    for row in rows(connection, _BY_PERSON, {"case": case, "actor": actor}):
        note_fact(connection, row["command_id"], Note.ACKNOWLEDGED, How.PERSON.value, actor=actor, case=case)
