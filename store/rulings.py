"""Storing a decision with all that follows from it: the record, what is to be sent, the command's move, the case's end.

One commit. The case's row is locked first, so of two reviewers one decides and the other is told.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from canonical.case_store import Ruled, Ruling
from store.database import rows, transaction
from store.moves import apply_move

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine

_LOCK = """
SELECT closed_at IS NOT NULL AS is_over,
       claimed_by IS DISTINCT FROM %(person)s AND claimed_until > clock_timestamp() AS is_claimed
  FROM cases WHERE id = %(case)s AND tenant = %(tenant)s FOR UPDATE
"""
_PAYLOAD = (
    "INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(digest)s, %(content)s) ON CONFLICT DO NOTHING"
)
_RECORD = """
INSERT INTO decisions (tenant, case_id, command_id, view_id, verb, stage, person, person_name, licences, reason,
                       content_digest, envelope_digest, payload_digest, base_version, policy_version, valid_until, changed)
VALUES (%(tenant)s, %(case)s, %(command)s, %(view)s, %(verb)s, %(stage)s, %(person)s, %(name)s, %(licences)s, %(reason)s,
        %(content_digest)s, %(envelope_digest)s, %(payload_digest)s, %(base_version)s, %(policy_version)s, %(valid_until)s,
        %(changed)s)
ON CONFLICT DO NOTHING RETURNING id
"""
#: Whoever decided to send it has looked at why it failed: its budget begins anew.
_TO_SEND = """
UPDATE commands SET decided_digest = coalesce(%(envelope_digest)s, decided_digest),
       decided_attempts = CASE WHEN %(replans)s THEN attempts ELSE decided_attempts END, spent = 0, stumbles = 0,
       approval_digest = CASE WHEN %(approves)s
                              THEN coalesce(%(envelope_digest)s, decided_digest, envelope_digest) ELSE approval_digest END,
       approval_payload = CASE WHEN %(approves)s THEN %(payload_digest)s ELSE approval_payload END,
       approval_until = CASE WHEN %(approves)s THEN %(valid_until)s::timestamptz ELSE approval_until END
 WHERE id = %(command)s
"""
_AFTER = """
UPDATE cases SET version = version + 1, closed_reason = CASE WHEN %(ends)s THEN %(verb)s ELSE closed_reason END,
       closed_by = CASE WHEN %(ends)s THEN %(person)s ELSE closed_by END,
       closed_at = CASE WHEN %(ends)s THEN coalesce(closed_at, clock_timestamp()) ELSE closed_at END,
       asked_until = CASE WHEN %(ends)s THEN NULL ELSE coalesce(%(asked_until)s::timestamptz, asked_until) END,
       level = level + CASE WHEN %(severity)s::smallint IS NULL THEN 0 ELSE 1 END,
       severity = coalesce(%(severity)s::smallint, severity),
       claimed_by = CASE WHEN %(hands_on)s THEN NULL ELSE claimed_by END,
       claimed_until = CASE WHEN %(hands_on)s THEN NULL ELSE claimed_until END
 WHERE id = %(case)s
"""


class _Refused(Exception):  # never leaves this module: it rolls the transaction back
    def __init__(self, ruled: Ruled) -> None:
        super().__init__()
        self.ruled = ruled


def rule(engine: Engine, ruling: Ruling) -> Ruled:
    """Store ``ruling``; anything but ``DONE`` changed nothing."""
    try:
        with transaction(engine) as connection:
            _rule(connection, ruling)
    except _Refused as refused:
        return refused.ruled
    return Ruled.DONE


def _rule(connection: psycopg.Connection[Any], ruling: Ruling) -> None:
    names = _names(ruling)
    found = rows(connection, _LOCK, names)
    if not found or found[0]["is_over"]:
        raise _Refused(Ruled.DECIDED_BEFORE)
    if found[0]["is_claimed"]:
        raise _Refused(Ruled.CLAIMED)
    for content in (ruling.content, ruling.envelope):
        if content is not None:
            kept = {"tenant": ruling.case.tenant, "digest": hashlib.sha256(content).digest(), "content": content}
            rows(connection, _PAYLOAD, kept)
    recorded = rows(connection, _RECORD, names)
    if not recorded:
        raise _Refused(Ruled.DECIDED_BEFORE)
    if ruling.move is not None:
        _move(connection, ruling, names, recorded[0]["id"])
    rows(connection, _AFTER, names)


def _move(connection: psycopg.Connection[Any], ruling: Ruling, names: dict[str, Any], decision: int) -> None:
    step = ruling.move
    assert step is not None  # noqa: S101 - asked before
    told = {**step.detail, "case": ruling.case.id, "decision": decision, "verb": ruling.verb}
    if ruling.knowing:
        told["knowing"] = ruling.knowing
    step = type(step)(trigger=step.trigger, source=step.source, target=step.target, reason=step.reason, detail=told)
    rows(connection, _TO_SEND, names)
    moved = apply_move(
        connection,
        ruling.case.command_id,
        step,
        actor=ruling.reviewer.actor,
        expected_seq=ruling.expected_seq,
    )
    if not moved:
        raise _Refused(Ruled.MOVED)


def _names(ruling: Ruling) -> dict[str, Any]:
    reviewer, case = ruling.reviewer, ruling.case
    return {
        "tenant": case.tenant,
        "case": case.id,
        "command": case.command_id,
        "view": ruling.view_id,
        "verb": ruling.verb,
        "stage": ruling.stage,
        "person": reviewer.actor,
        "name": reviewer.name,
        "licences": sorted(reviewer.licences),
        "reason": ruling.reason,
        "content_digest": _digest(ruling.content),
        "envelope_digest": _digest(ruling.envelope),
        "payload_digest": ruling.payload_digest,
        "base_version": ruling.base_version,
        "policy_version": ruling.policy_version,
        "valid_until": ruling.valid_until,
        "changed": ruling.changed,
        "approves": ruling.approves,
        "replans": ruling.replans,
        "asked_until": ruling.asked_until,
        "severity": ruling.severity,
        "ends": ruling.closes or ruling.move is not None,
        "hands_on": ruling.severity is not None or ruling.stage == "first" or ruling.asked_until is not None,
    }


def _digest(content: bytes | None) -> bytes | None:
    return hashlib.sha256(content).digest() if content is not None else None
