"""Reading commands for those who asked for them: one with its timeline, many by search. Changes nothing, shows no content."""

import base64
import binascii
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical import exact_json
from canonical.command_views import (
    CommandDetail,
    CommandPage,
    CommandQuery,
    CommandSummary,
    OperationView,
    TimelineEvent,
)
from canonical.errors import FieldError, RefusedError
from canonical.lifecycle import State
from store.database import rows, transaction
from store.patient_terms import commands_of

_COLUMNS = """
c.id, c.tenant, c.app, k.name AS connection, c.action_type, c.operation, c.state, c.state_reason AS reason,
c.state_since, c.event_seq, c.attempts, c.received_at, c.due_at, c.not_after, c.correlation_id, c.author_assurance,
c.possible_duplicate_of, c.target_reference, c.target_command, c.sent_as
"""
_GET = f"""
SELECT {_COLUMNS} FROM commands c JOIN connections k ON k.id = c.connection_id
 WHERE c.tenant = %(tenant)s AND c.id = %(id)s AND (%(app)s::text IS NULL OR c.app = %(app)s)
"""
EVENTS = """
SELECT seq, at, trigger, source, target, reason, actor, attempt FROM events WHERE command_id = %(id)s ORDER BY seq
"""
_OPERATIONS = """
SELECT seq, interaction, resource_type, state, reference, version_written AS version FROM operations
 WHERE command_id = %(id)s ORDER BY seq
"""
#: An operator may give a command in place of one that ended: which of which, both ways.
_LINEAGE = """
SELECT c.replay_of, ARRAY(SELECT b.id FROM commands b WHERE b.replay_of = c.id ORDER BY b.received_at, b.id) AS replays
  FROM commands c WHERE c.id = %(id)s
"""
_OF_PATIENTS = commands_of(
    "SELECT l.connection_id, l.patient_key FROM lanes l"
    " WHERE l.tenant = %(tenant)s AND l.patient_key = ANY (%(patient_keys)s::bytea[])"
)
_SEARCH = f"""
SELECT {_COLUMNS} FROM commands c JOIN connections k ON k.id = c.connection_id
 WHERE c.tenant = %(tenant)s
   AND (%(app)s::text IS NULL OR c.app = %(app)s)
   AND (%(connection)s::text IS NULL OR k.name = %(connection)s)
   AND (%(patient_keys)s::bytea[] IS NULL OR c.id IN ({_OF_PATIENTS}))
   AND (%(correlation_id)s::text IS NULL OR c.correlation_id = %(correlation_id)s)
   AND (%(key_hashes)s::bytea[] IS NULL OR c.key_hash = ANY (%(key_hashes)s::bytea[]))
   AND (%(states)s::text[] IS NULL OR c.state = ANY (%(states)s::text[]))
   AND (%(action_type)s::text IS NULL OR c.action_type = %(action_type)s)
   AND (%(operation)s::text IS NULL OR c.operation = %(operation)s)
   AND (%(received_from)s::timestamptz IS NULL OR c.received_at >= %(received_from)s)
   AND (%(received_to)s::timestamptz IS NULL OR c.received_at < %(received_to)s)
   AND (%(after_time)s::timestamptz IS NULL OR (c.received_at, c.id) < (%(after_time)s, %(after_id)s::uuid))
 ORDER BY c.received_at DESC, c.id DESC LIMIT %(limit)s
"""
_ENVELOPES = """
SELECT c.id, p.content FROM commands c JOIN payloads p ON p.tenant = c.tenant AND p.digest = c.envelope_digest
 WHERE c.id = ANY (%(ids)s)
"""
#: Patients' identifiers are in the content only: a search by one reads this many commands at most for one page.
IDENTIFIER_SCAN = 2_000
#: And holds this many of them in memory at once.
IDENTIFIER_CHUNK = 100


class CommandReads:
    """The commands of every tenant, for reading only."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def summary(self, tenant: str, command: UUID, *, app: str | None = None) -> CommandSummary | None:
        """Return one command of the tenant (and of ``app``, if given)."""
        with transaction(self._engine) as connection:
            found = rows(connection, _GET, {"tenant": tenant, "id": command, "app": app})
        return _summary(found[0]) if found else None

    def detail(self, tenant: str, command: UUID, *, app: str | None = None) -> CommandDetail | None:
        """Return one command with its events and operations, all as of one moment."""
        with transaction(self._engine) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            found = rows(connection, _GET, {"tenant": tenant, "id": command, "app": app})
            if not found:
                return None
            events = rows(connection, EVENTS, {"id": command})
            operations = rows(connection, _OPERATIONS, {"id": command})
            lineage = rows(connection, _LINEAGE, {"id": command})[0]
        return CommandDetail(
            summary=_summary(found[0]),
            events=tuple(TimelineEvent(**row) for row in events),
            operations=tuple(OperationView(**row) for row in operations),
            replay_of=lineage["replay_of"],
            replays=tuple(lineage["replays"]),
        )

    def search(self, tenant: str, query: CommandQuery) -> CommandPage:
        """Return one page of the tenant's commands, newest first.

        Raises ``RefusedError`` ``invalid-field`` for a cursor that is none of ours.
        """
        after = _position(query.cursor) if query.cursor else None
        if query.patient_identifier is None:
            return self._page(tenant, query, after)
        wide = self._page(tenant, replace(query, limit=IDENTIFIER_SCAN), after)
        return self._of_patient(wide, query.patient_identifier, query.limit)

    def _page(self, tenant: str, query: CommandQuery, after: tuple[datetime, UUID] | None) -> CommandPage:
        with transaction(self._engine) as connection:
            return _page(connection, tenant, query, after)

    def _of_patient(self, wide: CommandPage, identifier: tuple[str | None, str], limit: int) -> CommandPage:
        """Keep the commands whose envelope names the identifier; the cursor goes on after the last one looked at.

        Envelopes never change, so each piece is read in a transaction of its own, and none is open while they are parsed.
        """
        kept: list[CommandSummary] = []
        for start in range(0, len(wide.commands), IDENTIFIER_CHUNK):
            chunk = wide.commands[start : start + IDENTIFIER_CHUNK]
            with transaction(self._engine) as connection:
                found = rows(connection, _ENVELOPES, {"ids": [command.id for command in chunk]})
            named = {row["id"] for row in found if names_patient(exact_json.parse(bytes(row["content"])), identifier)}
            kept += [command for command in chunk if command.id in named]
            if len(kept) > limit:
                return CommandPage(commands=tuple(kept[:limit]), cursor=_cursor(kept[limit - 1]))
        return CommandPage(commands=tuple(kept), cursor=wide.cursor)


def _page(
    connection: psycopg.Connection[Any], tenant: str, query: CommandQuery, after: tuple[datetime, UUID] | None
) -> CommandPage:
    parameters = vars(query) | {
        "tenant": tenant,
        "patient_keys": list(query.patient_keys) if query.patient_keys is not None else None,
        "key_hashes": list(query.key_hashes) if query.key_hashes is not None else None,
        "states": [state.value for state in query.states] if query.states is not None else None,
        "after_time": after[0] if after else None,
        "after_id": after[1] if after else None,
        "limit": query.limit + 1,
    }
    found = [_summary(row) for row in rows(connection, _SEARCH, parameters)]
    shown = found[: query.limit]
    return CommandPage(commands=tuple(shown), cursor=_cursor(shown[-1]) if len(found) > query.limit else None)


def names_patient(envelope: Any, identifier: tuple[str | None, str]) -> bool:
    """Whether an envelope (parsed JSON) names its patient by ``identifier``: system or ``None``, value."""
    stated = envelope["patient"].get("identifier") or {}
    system, value = identifier
    return stated.get("value") == value and (system is None or stated.get("system") == system)


def _summary(row: dict[str, Any]) -> CommandSummary:
    return CommandSummary(**(row | {"state": State(row["state"])}))


def _cursor(last: CommandSummary) -> str:
    text = f"{last.received_at.isoformat()} {last.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        time, _, id_ = text.partition(" ")
        at, command = datetime.fromisoformat(time), UUID(id_)
    except (ValueError, binascii.Error):
        raise _not_ours() from None
    if at.tzinfo is None:
        raise _not_ours()
    return at, command


def _not_ours() -> RefusedError:
    error = FieldError(pointer="/cursor", code="invalid-cursor", detail="not a cursor of this search")
    return RefusedError("invalid-field", "The cursor is none of ours: search again without it.", errors=(error,))
