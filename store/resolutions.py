"""Storing a decision with all that follows from it: the record, what is to be sent, the command's move, the case's end.

One commit. The case's row is locked first, so of two reviewers one decides and the other is told.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from canonical.case_store import Resolution, Resolved
from store.acknowledgements import confirm_by_person
from store.database import rows, transaction
from store.drift import accept_baseline
from store.moves import apply_move
from store.questions import tell_author

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
       rest_tries = 0, rest_left = NULL, rest_left_who = '',
       approval_digest = CASE WHEN %(approves)s
                              THEN coalesce(%(envelope_digest)s, decided_digest, envelope_digest) ELSE approval_digest END,
       approval_payload = CASE WHEN %(replans)s THEN %(payload_digest)s ELSE approval_payload END,
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


#: Stage of what is recorded of somebody who only looks: a colleague's claim does not stand in the way.
LOOK = "look"


class UnresolvedError(Exception):
    """Nothing is stored: it rolls back the transaction in which a resolution is carried out, and never leaves the store."""

    def __init__(self, resolved: Resolved) -> None:
        """Carry why."""
        super().__init__()
        self.resolved = resolved


def resolve(engine: Engine, resolution: Resolution) -> Resolved:
    """Store ``resolution``; anything but ``DONE`` changed nothing."""
    try:
        with transaction(engine) as connection:
            carry_out(connection, resolution)
    except UnresolvedError as refused:
        return refused.resolved
    return Resolved.DONE


def carry_out(connection: psycopg.Connection[Any], resolution: Resolution) -> None:
    """Store ``resolution`` within a transaction of the caller's; raises :class:`UnresolvedError`, which must roll it back."""
    names = _names(resolution)
    found = rows(connection, _LOCK, names)
    if not found or found[0]["is_over"]:
        raise UnresolvedError(Resolved.DECIDED_BEFORE)
    if found[0]["is_claimed"] and resolution.stage != LOOK:
        raise UnresolvedError(Resolved.CLAIMED)
    for content in (resolution.content, resolution.envelope):
        if content is not None:
            kept = {"tenant": resolution.case.tenant, "digest": hashlib.sha256(content).digest(), "content": content}
            rows(connection, _PAYLOAD, kept)
    recorded = rows(connection, _RECORD, names)
    if not recorded:
        raise UnresolvedError(Resolved.DECIDED_BEFORE)
    if resolution.move is not None:
        _move(connection, resolution, names, recorded[0]["id"])
    rows(connection, _AFTER, names)
    confirm_by_person(connection, resolution.case.id, actor=resolution.reviewer.actor)
    if resolution.asked_until is not None:
        tell_author(connection, resolution.case.command_id, case=resolution.case.id, actor=resolution.reviewer.actor)


def _move(connection: psycopg.Connection[Any], resolution: Resolution, names: dict[str, Any], decision: int) -> None:
    step = resolution.move
    assert step is not None  # noqa: S101 - asked before
    told = {**step.detail, "case": resolution.case.id, "decision": decision, "verb": resolution.verb}
    if resolution.knowing:
        told["knowing"] = resolution.knowing
    if resolution.rests_on:
        told["rests_on"] = resolution.rests_on
    step = type(step)(trigger=step.trigger, source=step.source, target=step.target, reason=step.reason, detail=told)
    rows(connection, _TO_SEND, names)
    moved = apply_move(
        connection,
        resolution.case.command_id,
        step,
        actor=resolution.reviewer.actor,
        expected_seq=resolution.expected_seq,
    )
    if not moved:
        raise UnresolvedError(Resolved.MOVED)
    if resolution.accepted is not None:
        accept_baseline(
            connection,
            resolution.case.command_id,
            tenant=resolution.case.tenant,
            version=resolution.base_version,
            digest=resolution.accepted,
        )


def _names(resolution: Resolution) -> dict[str, Any]:
    reviewer, case = resolution.reviewer, resolution.case
    return {
        "tenant": case.tenant,
        "case": case.id,
        "command": case.command_id,
        "view": resolution.view_id,
        "verb": resolution.verb,
        "stage": resolution.stage,
        "person": reviewer.actor,
        "name": reviewer.name,
        "licences": sorted(reviewer.licences),
        "reason": resolution.reason,
        "content_digest": _digest(resolution.content),
        "envelope_digest": _digest(resolution.envelope),
        "payload_digest": resolution.payload_digest,
        "base_version": resolution.base_version,
        "policy_version": resolution.policy_version,
        "valid_until": resolution.valid_until,
        "changed": resolution.changed,
        "approves": resolution.approves,
        "replans": resolution.replans,
        "asked_until": resolution.asked_until,
        "severity": resolution.severity,
        "ends": resolution.closes or resolution.move is not None,
        "hands_on": resolution.severity is not None
        or resolution.stage == "first"
        or resolution.asked_until is not None,
    }


def _digest(content: bytes | None) -> bytes | None:
    return hashlib.sha256(content).digest() if content is not None else None
