"""Rows of the database as what a report after an incident is made of: the statements for many commands at once. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg

from canonical.incident.records import StoredCommand
from canonical.incident.report import (
    CommandRecord,
    RecordedAttempt,
    RecordedCase,
    RecordedDecision,
    RecordedEvent,
    RecordedOperation,
)
from store.balance import unfit_among
from store.command_rows import operation_from
from store.database import rows

#: How many digits of a digest tell bytes apart.
_OCTETS = 6
_COMMANDS = """
SELECT c.id, c.tenant, k.name AS connection, c.state, c.state_reason, c.action_type AS action, c.operation, c.replay_of,
       c.lane_id, c.correlation_id, convert_from(p.content, 'UTF8')::jsonb #>> '{target,versionId}' AS seen_version
  FROM commands c JOIN connections k ON k.id = c.connection_id
  JOIN payloads p ON p.tenant = c.tenant AND p.digest = coalesce(c.decided_digest, c.envelope_digest)
 WHERE c.id = ANY (%(commands)s) ORDER BY c.received_at, c.id
"""
EVENTS = """
SELECT e.command_id, e.id, e.seq, e.at, e.trigger, e.source, e.target, e.reason, e.actor, e.attempt,
       e.detail ->> 'replay' AS replay
  FROM events e WHERE e.command_id = ANY (%(commands)s) ORDER BY e.command_id, e.seq
"""
_ATTEMPTS = f"""
SELECT a.command_id, a.n, a.kind, a.operation_seq AS operation, a.claimed_at, a.settled_at, a.outcome, a.status, a.vendor_code,
       a.precondition, a.mapping_version, encode(substring(a.body_digest FROM 1 FOR {_OCTETS}), 'hex') AS digest,
       a.reference, a.version, a.late_outcome, a.late_at
  FROM attempts a WHERE a.command_id = ANY (%(commands)s) ORDER BY a.id
"""
_OPERATIONS = """
SELECT o.*, p.content AS body FROM operations o JOIN payloads p ON p.tenant = o.tenant AND p.digest = o.body_digest
 WHERE o.command_id = ANY (%(commands)s) ORDER BY o.command_id, o.seq
"""
CASE_COLUMNS = """k.id, k.kind, k.severity, k.opened_at, k.alerted_at, k.alert_over_at, k.closed_at, k.closed_reason,
       k.closed_by"""
_CASES = f"SELECT k.command_id, {CASE_COLUMNS} FROM cases k WHERE k.command_id = ANY (%(commands)s) ORDER BY k.id"
_DECISIONS = """
SELECT d.command_id, d.at, d.verb, d.person_name AS person, d.reason, d.base_version
  FROM decisions d WHERE d.command_id = ANY (%(commands)s) ORDER BY d.id
"""


def stored_commands(session: psycopg.Connection[Any], commands: Sequence[UUID]) -> tuple[StoredCommand, ...]:
    """Return all that is remembered of ``commands``, the one received first before the others."""
    names = {"commands": list(commands)}
    unfit = unfit_among(session, commands)
    events = _by_command(session, EVENTS, names, RecordedEvent)
    attempts = _by_command(session, _ATTEMPTS, names, RecordedAttempt)
    cases = _by_command(session, _CASES, names, RecordedCase)
    decisions = _by_command(session, _DECISIONS, names, RecordedDecision)
    operations = _by_command(session, _OPERATIONS, names, dict)
    return tuple(
        StoredCommand(
            lane=row.pop("lane_id"),
            correlation_id=row.pop("correlation_id"),
            operations=tuple(operation_from(item) for item in operations[row["id"]]),
            record=CommandRecord(
                **row,
                unfit=unfit.get(row["id"]),
                events=events[row["id"]],
                attempts=attempts[row["id"]],
                operations=tuple(_recorded(item) for item in operations[row["id"]]),
                cases=cases[row["id"]],
                decisions=decisions[row["id"]],
            ),
        )
        for row in rows(session, _COMMANDS, names)
    )


def _by_command(
    session: psycopg.Connection[Any], sql: str, names: dict[str, Any], made: Callable[..., Any]
) -> defaultdict[UUID, tuple[Any, ...]]:
    found: defaultdict[UUID, tuple[Any, ...]] = defaultdict(tuple)
    for row in rows(session, sql, names):
        command = row.pop("command_id")
        found[command] = (*found[command], made(**row))
    return found


def _recorded(row: dict[str, Any]) -> RecordedOperation:
    return RecordedOperation(
        seq=row["seq"],
        interaction=row["interaction"],
        resource_type=row["resource_type"],
        state=row["state"],
        mark=row["mark"],
        if_match=row["if_match"],
        reference=row["reference"],
        version=row["version_written"],
    )
