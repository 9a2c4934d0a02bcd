"""Accepting a command: key, command, events and its place in the lane, in one transaction. No judgement of content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from canonical.action import action_specs
from canonical.case_kinds import MOST_SEVERE, case_kind
from canonical.errors import FieldError, RefusedError
from canonical.events import move
from canonical.lifecycle import State, Trigger
from store.database import rows, transaction
from store.moves import TAIL, due_from, tail_parameters
from store.owing import owing_sooner

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from canonical.command import Command  # noqa: F401 - named in docstrings

#: Of those given in place of one command, one at a time may still reach the chart, or be there.
LIVING_REPLAY = "uq_commands_living_replay"
PRIORITY = {"routine": 0, "urgent": 1, "asap": 2, "stat": 3}

_WINNER = """
SELECT id, fingerprint, state, event_seq FROM commands
 WHERE tenant = %(tenant)s AND app = %(app)s AND key_hash = %(key_hash)s
"""
#: The lane of the patient who was named, or the one that everything of it stands in since its patient was merged.
_LANE = """
WITH RECURSIVE up AS (
  SELECT id, patient_key, joins, joined_at FROM lanes
   WHERE connection_id = %(connection_id)s AND patient_key = %(patient_key)s
  UNION ALL
  SELECT l.id, l.patient_key, l.joins, l.joined_at FROM up JOIN lanes l ON l.id = up.joins WHERE up.joined_at IS NOT NULL)
INSERT INTO lanes (tenant, connection_id, patient_key, last_seq)
VALUES (%(tenant)s, %(connection_id)s,
        coalesce((SELECT up.patient_key FROM up WHERE up.joined_at IS NULL), %(patient_key)s), 1)
ON CONFLICT (connection_id, patient_key) DO UPDATE SET last_seq = lanes.last_seq + 1
RETURNING id, last_seq, joined_at IS NOT NULL AS is_joined,
          nullif((SELECT up.id FROM up WHERE up.patient_key = %(patient_key)s), id) AS home
"""
_TARGET_COMMAND = "SELECT root, subject, lane_id FROM commands WHERE id = %(command)s AND tenant = %(tenant)s"
_TARGET_LINK = """
SELECT c.root, c.subject FROM links l JOIN commands c ON c.id = l.root
 WHERE l.connection_id = %(connection_id)s AND l.reference = %(reference)s
"""
_DUPLICATE = """
SELECT id FROM commands WHERE tenant = %(tenant)s AND duplicate_key = %(duplicate_key)s
   AND state NOT IN ('rejected', 'withdrawn', 'expired', 'superseded', 'compensated')
 ORDER BY received_at LIMIT 1
"""
_INSERT = (
    """
WITH pl AS (
  INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(envelope_digest)s, %(envelope)s)
  ON CONFLICT DO NOTHING),
cm AS (
  INSERT INTO commands (id, tenant, app, connection_id, lane_id, lane_seq, home_lane_id, subject, root, action_type,
      operation, state, state_reason, event_seq, priority, not_after, consent_id, consent_version, switch_ids,
      envelope_digest, fingerprint, key_hash, correlation_id, traceparent, approval_required, target_reference,
      target_command, after, takes_back, author_digest, author_assurance, duplicate_key, possible_duplicate_of, sent_as,
      replay_of, sends_stored_of, undoes, undoes_seq)
  VALUES (%(id)s, %(tenant)s, %(app)s, %(connection_id)s, %(lane_id)s, %(lane_seq)s, %(home)s, %(subject)s, %(root)s,
      %(action_type)s, %(operation)s, %(target)s, %(reason)s, 2, %(priority)s, %(not_after)s, %(consent_id)s, %(consent_version)s,
      %(switch_ids)s, %(envelope_digest)s, %(fingerprint)s, %(key_hash)s, %(correlation_id)s, %(traceparent)s,
      %(approval_required)s, %(target_reference)s, %(target_command)s, %(after)s, %(takes_back)s, %(author_digest)s,
      %(author_assurance)s, %(duplicate_key)s, %(possible_duplicate_of)s, %(sent_as)s, %(replay_of)s,
      %(sends_stored_of)s, %(undoes)s, %(undoes_seq)s)
  ON CONFLICT (tenant, app, key_hash) DO NOTHING
  RETURNING id, tenant, app, event_seq, connection_id, action_type),
first AS (
  INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor, detail)
  SELECT cm.tenant, cm.id, 1, 'received', '', 'received', 'received', %(actor)s, %(received_detail)s::jsonb FROM cm),
extra AS (
  INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds)
  SELECT cm.tenant, cm.id, cm.connection_id, cm.action_type, k, p, s, """
    + due_from("s")
    + """, false
    FROM cm, unnest(%(extra_cases)s::text[], %(extra_pools)s::text[], %(extra_severities)s::smallint[]) AS x (k, p, s)),
up AS (
  UPDATE cases k SET severity = %(raises_to)s::smallint, version = k.version + 1,
         due_at = least(k.due_at, """
    + due_from("%(raises_to)s")
    + """)
    FROM cm, commands b
   WHERE %(raises_to)s::smallint IS NOT NULL AND b.lane_id = %(lane_id)s AND b.subject = %(subject)s
     AND k.command_id = b.id AND k.closed_at IS NULL AND k.holds AND k.severity > %(raises_to)s::smallint),
"""
    + owing_sooner(due_from("%(raises_to)s"))
    + TAIL
    + "SELECT id FROM cm"
)


@dataclass(frozen=True, kw_only=True)
class NewCommand:
    """A command that passed the door's checks.

    ``envelope`` is the JSON as it came (UTF-8 bytes, decimals as written); ``patient_key`` the 32-byte digest that names the
    lane; ``duplicate_key`` digests what makes two readings the same; ``extra_cases`` are opened beside it; ``sent_as`` is the
    fallback that its EHR needs, as far as the door can tell; ``replay_of`` the command that it is given in place of, and
    ``sends_stored_of`` the one whose journaled bytes are sent; ``undoes`` the one whose operation ``undoes_seq`` it takes back;
    ``received_detail`` goes on the first event and holds no clinical content.
    """

    id: UUID
    tenant: str
    app: str
    connection_id: int
    patient_key: bytes
    action_type: str
    operation: str
    creates: bool
    takes_back: bool
    envelope: bytes
    fingerprint: bytes
    key_hash: bytes
    correlation_id: str
    consent_id: int
    consent_version: int
    switch_ids: tuple[int, ...]
    author_digest: bytes
    author_assurance: str
    actor: str
    traceparent: str | None = None
    approval_required: bool = False
    approval_reason: str = ""
    target_reference: str | None = None
    target_command: UUID | None = None
    after: tuple[UUID, ...] = ()
    priority: str = "routine"
    not_after: datetime | None = None
    duplicate_key: bytes | None = None
    extra_cases: tuple[str, ...] = ()
    sent_as: str | None = None
    replay_of: UUID | None = None
    sends_stored_of: UUID | None = None
    undoes: UUID | None = None
    undoes_seq: int | None = None
    received_detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What the door answers: the command, whether this was a repeat, and its lane for a hint."""

    command_id: UUID
    replayed: bool
    lane_id: int | None = None
    possible_duplicate_of: UUID | None = None


class LaneJoinedError(Exception):
    """The lane was made one with another while we waited for its row."""


def accept(engine: Engine, new: NewCommand) -> Accepted:
    """Store ``new`` durably, or find the command that its key already made.

    Raises :class:`RefusedError` ``idempotency-key-reused`` (same key, other content), ``target-unknown``,
    ``predecessor-unknown``, ``not-possible`` (another one was given in place of the same command); and
    ``StoreUnavailableError`` when nothing could be stored.
    """
    try:
        while True:
            try:
                with transaction(engine) as connection:
                    replay = _replay(connection, new)
                    return replay or insert(connection, new)
            except LaneJoinedError:
                continue
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != LIVING_REPLAY:
            raise
        raise RefusedError("not-possible", "Another command was given in its place. Nothing was accepted.") from None


def _replay(connection: psycopg.Connection[Any], new: NewCommand) -> Accepted | None:
    key = {"tenant": new.tenant, "app": new.app, "key_hash": new.key_hash}
    found = rows(connection, _WINNER, key)
    if not found:
        return None
    if bytes(found[0]["fingerprint"]) != new.fingerprint:
        raise RefusedError(
            "idempotency-key-reused",
            "This key was used for a command with other content. Nothing was changed; use a new key for a new command.",
        )
    return Accepted(command_id=found[0]["id"], replayed=True)


def insert(connection: psycopg.Connection[Any], new: NewCommand) -> Accepted:
    """Store ``new``, whose key nobody has used before, within a transaction of the caller's.

    Raises as :func:`accept`, and :class:`LaneJoinedError`: roll back and do it again.
    """
    names = vars(new)
    lane = rows(connection, _LANE, names)[0]
    if lane["is_joined"]:
        raise LaneJoinedError
    subject, root = _subject(connection, new, lane["id"])
    _check_predecessors(connection, new)
    duplicate = rows(connection, _DUPLICATE, names) if new.duplicate_key else []
    duplicate_of = duplicate[0]["id"] if duplicate else None
    trigger = Trigger.APPROVAL_REQUIRED if new.approval_required else Trigger.ACCEPTED
    case = "awaiting_approval" if new.approval_required else None
    parameters = tail_parameters(move(State.RECEIVED, trigger, new.approval_reason), actor=new.actor, case=case)
    # The app holds the receipt: a pending command is no news to it, one that waits for a person is.
    parameters |= names | {
        "lane_id": lane["id"],
        "lane_seq": lane["last_seq"],
        "home": lane["home"],
        "subject": subject,
        "root": root,
        "envelope_digest": hashlib.sha256(new.envelope).digest(),
        "priority": PRIORITY[new.priority],
        "switch_ids": list(new.switch_ids),
        "after": list(new.after),
        **_extra_cases(new.extra_cases),
        **_raising(new),
        "possible_duplicate_of": duplicate_of,
        "received_detail": _json(new.received_detail),
    }
    if rows(connection, _INSERT, parameters):
        return Accepted(command_id=new.id, replayed=False, lane_id=lane["id"], possible_duplicate_of=duplicate_of)
    # Another request with this key committed between our look and our insert; its row is visible now.
    winner = _replay(connection, new)
    assert winner is not None  # noqa: S101 - the unique key says that there is one
    connection.execute("UPDATE lanes SET last_seq = last_seq - 1 WHERE id = %(id)s", {"id": lane["id"]})
    return winner


def _extra_cases(names: tuple[str, ...]) -> dict[str, Any]:
    kinds = [case_kind(name) for name in names]
    return {
        "extra_cases": list(names),
        "extra_pools": [kind.pool.value for kind in kinds],
        "extra_severities": [kind.severity for kind in kinds],
    }


def _raising(new: NewCommand) -> dict[str, Any]:
    """Return how urgent the question becomes that ``new`` would have to wait for: a stop is not stuck behind a routine one."""
    rule = action_specs()[new.action_type].operations[new.operation]
    is_urgent = rule.takes_back or rule.urgent or PRIORITY[new.priority] >= PRIORITY["asap"]
    return {"raises_to": MOST_SEVERE if is_urgent else None}


def _json(value: dict[str, Any]) -> str:
    from canonical import exact_json

    return exact_json.dumps(value)


def _subject(connection: psycopg.Connection[Any], new: NewCommand, lane_id: int) -> tuple[str, UUID]:
    """Return the subject and root: the same for our id and for the EHR's id of one resource."""
    if new.target_command is not None:
        found = rows(connection, _TARGET_COMMAND, {"command": new.target_command, "tenant": new.tenant})
        if not found or found[0]["lane_id"] != lane_id:
            raise RefusedError(
                "target-unknown",
                "The target command is not one of this patient's commands on this connection.",
                errors=(FieldError(pointer="/target/command", code="target-unknown", detail="no such command here"),),
            )
        return found[0]["subject"], _root(new, found[0]["root"])
    if new.target_reference is not None:
        link = {"connection_id": new.connection_id, "reference": new.target_reference}
        found = rows(connection, _TARGET_LINK, link)
        if not found:
            return f"ref:{new.target_reference}", new.id
        return found[0]["subject"], _root(new, found[0]["root"])
    return f"command:{new.id}", new.id


def _root(new: NewCommand, root: UUID) -> UUID:
    """Return the command whose entry ``new`` changes: itself, where it only refers to that entry and writes another."""
    return new.id if action_specs()[new.action_type].operations[new.operation].own_entry else root


def _check_predecessors(connection: psycopg.Connection[Any], new: NewCommand) -> None:
    if not new.after:
        return
    known = "SELECT count(*) AS n FROM commands WHERE id = ANY (%(after)s) AND tenant = %(tenant)s"
    found = rows(connection, known, {"after": list(new.after), "tenant": new.tenant})[0]["n"]
    if found != len(set(new.after)):
        raise RefusedError(
            "predecessor-unknown",
            "'after' names a command that does not exist. Nothing was accepted.",
            errors=(FieldError(pointer="/after", code="predecessor-unknown", detail="unknown command id"),),
        )
