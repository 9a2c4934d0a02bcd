"""The commands that replays are of: what is known of one, and the moves that a replay makes of it. It judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.case_kinds import case_kind
from canonical.events import move
from canonical.lifecycle import ENDED_WITHOUT_EFFECT, Trigger
from canonical.outcome import TAKEN, Outcome, ProbeResult
from canonical.ports import Operation
from canonical.replay import TakenItem
from canonical.replay_store import Original
from store.columns import listed
from store.database import rows, transaction
from store.healing import load_command, stored_operations
from store.moves import apply_move, due_from

#: A case of a command that ended as not written although the EHR has it.
WRITTEN_AFTER_ALL = "written_after_all"
#: All commands of one intent: the first, and those given in its place.
_FAMILY = """
SELECT m.id FROM commands c JOIN commands m
    ON m.id = coalesce(c.replay_of, c.id) OR m.replay_of = coalesce(c.replay_of, c.id)
 WHERE c.id = %(command)s AND m.tenant = %(tenant)s
"""
_ORIGINAL = f"""
SELECT p.content AS raw, c.state_reason AS reason, c.author_assurance, coalesce(c.replay_of, c.id) AS family,
       c.decided_digest IS NOT NULL AND c.decided_digest <> c.envelope_digest AS revised,
       (SELECT m.id FROM commands m WHERE (m.id = coalesce(c.replay_of, c.id) OR m.replay_of = coalesce(c.replay_of, c.id))
           AND m.id <> c.id AND m.state NOT IN ({listed(ENDED_WITHOUT_EFFECT)}) LIMIT 1) AS living,
       (SELECT k.id FROM cases k WHERE k.command_id = c.id AND k.closed_at IS NULL
         ORDER BY k.holds DESC, k.severity, k.id LIMIT 1) AS case_id,
       EXISTS (SELECT 1 FROM events e WHERE e.command_id = c.id AND e.detail ->> 'replay' = %(replay)s::text
                  AND e.trigger IN ('resend_decided', 'found_by_person')) AS resent
  FROM commands c JOIN payloads p ON p.tenant = c.tenant AND p.digest = coalesce(c.decided_digest, c.envelope_digest)
 WHERE c.id = %(command)s AND c.tenant = %(tenant)s
"""
#: What may still change the chart: a request with no answer that can be trusted, for as long as its EHR may take.
_WAIT = """
SELECT greatest(max(coalesce(a.settled_at, a.claimed_at + k.lease) + k.quarantine) - clock_timestamp(), interval '0') AS wait
  FROM attempts a JOIN commands c ON c.id = a.command_id JOIN connections k ON k.id = c.connection_id
 WHERE a.command_id = ANY (%(family)s) AND a.kind = 'send' AND (a.outcome IS NULL OR a.outcome = ANY (%(open)s))
"""
_SENT = "SELECT DISTINCT operation_seq AS seq FROM attempts WHERE command_id = %(command)s AND kind = 'send'"
#: Whoever replays it has mended why it failed: its budget begins anew.
_ANEW = """
UPDATE commands SET spent = 0, stumbles = 0, rest_tries = 0, rest_left = NULL, rest_left_who = '' WHERE id = %(command)s
"""
_SEEN = """
UPDATE operations SET state = 'applied', reference = coalesce(%(reference)s, reference),
       version_written = coalesce(%(version)s, version_written)
 WHERE command_id = %(command)s AND seq = %(seq)s
"""
_LINK = """
INSERT INTO links (connection_id, reference, tenant, root, version)
SELECT connection_id, %(reference)s, tenant, root, %(version)s FROM commands WHERE id = %(command)s
ON CONFLICT (connection_id, reference) DO UPDATE
   SET version = coalesce(excluded.version, links.version), changed_at = clock_timestamp()
"""
_TELL = f"""
WITH k AS (
  INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds)
  SELECT c.tenant, c.id, c.connection_id, c.action_type, '{WRITTEN_AFTER_ALL}', %(pool)s, %(severity)s::smallint,
         {due_from("%(severity)s")}, false
    FROM commands c WHERE c.id = %(command)s
  ON CONFLICT DO NOTHING RETURNING id)
SELECT id FROM k UNION ALL
SELECT id FROM cases WHERE command_id = %(command)s AND kind = '{WRITTEN_AFTER_ALL}' AND closed_at IS NULL LIMIT 1
"""
_OPEN_ENDED = sorted({*TAKEN, Outcome.UNKNOWN})


class Originals:
    """What a replay reads of commands and does to them; see :class:`canonical.replay_store.ReplayBook`."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._commands = engine

    def original(self, tenant: str, command: UUID, replay: UUID) -> Original:
        names = {"tenant": tenant, "command": command, "replay": replay}
        with transaction(self._commands) as connection:
            found = rows(connection, _ORIGINAL, names)
            if not found:
                msg = f"no command {command}"
                raise LookupError(msg)
            family = [row["id"] for row in rows(connection, _FAMILY, names)]
            return Original(
                **(found[0] | {"raw": bytes(found[0]["raw"])}),
                command=load_command(connection, command),
                operations=tuple(stored_operations(connection, command)),
                attempted=_attempted(connection, family),
                wait=_wait(connection, family),
            )

    def resend(self, original: Original, item: TakenItem) -> bool:
        command = original.command
        step = move(command.state, Trigger.RESEND_DECIDED, replay=str(item.replay.id))
        with transaction(self._commands) as connection:
            if not _moved(connection, original, item, step):
                return False
            rows(connection, _ANEW, {"command": command.id})
            return True

    def found(self, original: Original, item: TakenItem, found: Sequence[tuple[Operation, ProbeResult]]) -> bool:
        command = original.command
        step = move(command.state, Trigger.FOUND_BY_PERSON, replay=str(item.replay.id), found_by="probe")
        with transaction(self._commands) as connection:
            if not _moved(connection, original, item, step):
                return False
            for operation, result in found:
                names = {"command": command.id, "seq": operation.seq, **_place(result)}
                rows(connection, _SEEN, names)
                if result.reference is not None:
                    rows(connection, _LINK, names)
            return True

    def tell_written(self, original: Original) -> int:
        kind = case_kind(WRITTEN_AFTER_ALL)
        names = {"command": original.command.id, "pool": kind.pool.value, "severity": kind.severity}
        with transaction(self._commands) as connection:
            return int(rows(connection, _TELL, names)[0]["id"])


def _moved(connection: psycopg.Connection[Any], original: Original, item: TakenItem, step: Any) -> bool:
    command = original.command
    return apply_move(connection, command.id, step, actor=item.replay.person, expected_seq=command.event_seq)


def _place(result: ProbeResult) -> dict[str, Any]:
    return {"reference": result.reference, "version": result.version}


def _attempted(connection: psycopg.Connection[Any], family: list[UUID]) -> tuple[tuple[UUID, Operation], ...]:
    found: list[tuple[UUID, Operation]] = []
    for member in family:
        sent = {row["seq"] for row in rows(connection, _SENT, {"command": member})}
        found += [(member, item) for item in stored_operations(connection, member) if item.seq in sent]
    return tuple(found)


def _wait(connection: psycopg.Connection[Any], family: list[UUID]) -> timedelta:
    found = rows(connection, _WAIT, {"family": family, "open": _OPEN_ENDED})[0]["wait"]
    return found if found is not None else timedelta()
