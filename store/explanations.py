"""What is remembered of one command, for those who ask what it is: one statement for each question. Reads only."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from canonical import exact_json
from canonical.explanation import HappenedRecord, IntendedRecord, JournaledOperation, NowRecord, Standing
from canonical.lifecycle import State
from canonical.ports import Interaction, Operation
from store.database import rows, transaction

_STANDING = "c.app, k.name AS connection, c.state, c.state_reason, c.sent_as"
_WHERE = "WHERE c.tenant = %(tenant)s AND c.id = %(command)s"
_INTENDED = f"""
SELECT {_STANDING}, c.received_at, c.author_assurance, r.content AS received,
       (SELECT d.content FROM payloads d WHERE d.tenant = c.tenant AND d.digest = c.decided_digest
           AND c.decided_digest <> c.envelope_digest) AS decided,
       s.reference AS consent, c.consent_version, s.version AS consent_now, e.actor, e.detail
  FROM commands c
  JOIN connections k ON k.id = c.connection_id
  JOIN payloads r ON r.tenant = c.tenant AND r.digest = c.envelope_digest
  JOIN consents s ON s.id = c.consent_id
  JOIN events e ON e.command_id = c.id AND e.seq = 1
 {_WHERE}
"""
_HAPPENED = f"""
SELECT {_STANDING},
  (SELECT coalesce(json_agg(json_build_object('seq', e.seq, 'at', e.at, 'trigger', e.trigger, 'source', e.source,
             'target', e.target, 'reason', e.reason, 'actor', e.actor, 'attempt', e.attempt) ORDER BY e.seq), '[]')
     FROM events e WHERE e.command_id = c.id) AS events,
  (SELECT coalesce(json_agg(json_build_object('kind', a.kind, 'n', a.n, 'operation', a.operation_seq, 'at', a.claimed_at,
             'settled_at', a.settled_at, 'outcome', a.outcome, 'status', a.status, 'vendor_code', a.vendor_code,
             'precondition', a.precondition, 'reference', a.reference, 'version', a.version,
             'mapping_version', a.mapping_version, 'late_outcome', a.late_outcome, 'late_at', a.late_at)
             ORDER BY a.id), '[]')
     FROM attempts a WHERE a.command_id = c.id) AS attempts,
  (SELECT coalesce(json_agg(json_build_object('at', d.at, 'verb', d.verb, 'stage', d.stage, 'person', d.person_name,
             'reason', d.reason, 'base_version', d.base_version, 'policy_version', d.policy_version,
             'changed', d.changed) ORDER BY d.id), '[]')
     FROM decisions d WHERE d.command_id = c.id) AS decisions
  FROM commands c JOIN connections k ON k.id = c.connection_id {_WHERE}
"""
#: What a resting command changes by its reference, or what the command that it names wrote.
_TARGET = """
coalesce(c.target_reference, (SELECT o.reference FROM operations o JOIN commands t ON t.root = o.command_id
                               WHERE t.id = c.target_command AND o.is_primary ORDER BY o.seq LIMIT 1))
"""
_NOW = f"""
SELECT {_STANDING}, c.correlation_id, c.state_since, r.content AS envelope, {_TARGET} AS target,
       greatest(c.due_at, l.quarantine_until, nullif(k.not_before, 'infinity')) AS asks_at,
  (SELECT coalesce(json_agg(json_build_object('seq', o.seq, 'interaction', o.interaction,
             'resource_type', o.resource_type, 'reference', o.reference, 'mark', o.mark, 'if_match', o.if_match,
             'if_none_exist', o.if_none_exist, 'mapping_version', o.mapping_version, 'placeholder', o.placeholder,
             'is_primary', o.is_primary, 'path', o.path, 'version', o.version_written,
             'body', translate(encode(p.content, 'base64'), E'\\n', '')) ORDER BY o.seq), '[]')
     FROM operations o JOIN payloads p ON p.tenant = o.tenant AND p.digest = o.body_digest
    WHERE o.command_id = c.id) AS operations,
  (SELECT coalesce(json_agg(DISTINCT o.version_written), '[]') FROM commands b JOIN operations o ON o.command_id = b.id
    WHERE b.lane_id = c.lane_id AND b.subject = c.subject AND o.version_written IS NOT NULL) AS own_versions
  FROM commands c
  JOIN connections k ON k.id = c.connection_id
  JOIN lanes l ON l.id = c.lane_id
  JOIN payloads r ON r.tenant = c.tenant AND r.digest = c.envelope_digest
 {_WHERE}
"""
_TIMES = ("at", "settled_at", "late_at")


class StoredExplanations:
    """Fills :class:`canonical.explanation.ExplanationRecords`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def intended(self, tenant: str, command: UUID) -> IntendedRecord | None:
        row = self._row(_INTENDED, tenant, command)
        if row is None:
            return None
        return IntendedRecord(
            standing=_standing(row),
            received=bytes(row["received"]),
            decided=bytes(row["decided"]) if row["decided"] is not None else None,
            received_at=row["received_at"],
            actor=row["actor"],
            assurance=row["author_assurance"],
            consent=(row["consent"], row["consent_version"], row["consent_now"]),
            detail=row["detail"],
        )

    def happened(self, tenant: str, command: UUID) -> HappenedRecord | None:
        row = self._row(_HAPPENED, tenant, command)
        if row is None:
            return None
        return HappenedRecord(
            standing=_standing(row),
            events=_told(row["events"]),
            attempts=_told(row["attempts"]),
            decisions=_told(row["decisions"]),
        )

    def now(self, tenant: str, command: UUID) -> NowRecord | None:
        row = self._row(_NOW, tenant, command)
        if row is None:
            return None
        return NowRecord(
            standing=_standing(row),
            correlation_id=row["correlation_id"],
            state_since=row["state_since"],
            asks_at=row["asks_at"],
            target=row["target"],
            labels=tuple(exact_json.parse(bytes(row["envelope"])).get("securityLabel") or ()),
            operations=tuple(_operation(item) for item in row["operations"]),
            own_versions=frozenset(row["own_versions"]),
        )

    def _row(self, sql: str, tenant: str, command: UUID) -> dict[str, Any] | None:
        with transaction(self._engine) as connection:
            found = rows(connection, sql, {"tenant": tenant, "command": command})
        return found[0] if found else None


def _standing(row: dict[str, Any]) -> Standing:
    return Standing(
        app=row["app"],
        connection=row["connection"],
        state=State(row["state"]),
        reason=row["state_reason"],
        sent_as=row["sent_as"],
    )


def _told(found: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return rows that PostgreSQL gave as JSON, their times as times."""
    return tuple(
        {
            name: datetime.fromisoformat(value) if name in _TIMES and value is not None else value
            for name, value in row.items()
        }
        for row in found
    )


def _operation(row: dict[str, Any]) -> JournaledOperation:
    body, version = base64.b64decode(row.pop("body")), row.pop("version")
    operation = Operation(**(row | {"interaction": Interaction(row["interaction"]), "body": body}))
    return JournaledOperation(operation=operation, version=version)
