"""From rows to a :class:`canonical.command.Command`: the one select list, and the only place that reads envelopes back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from canonical import exact_json
from canonical.capabilities import Interaction
from canonical.command import Approval, Command, Governance, OperationProgress
from canonical.envelope import envelope_from
from canonical.lifecycle import State
from canonical.ports import Operation
from store.loop_terms import IN_LOOP

#: Needs ``commands c`` and :data:`COMMAND_JOINS`.
COMMAND_COLUMNS = f"""
c.id, c.tenant, c.app, k.name AS connection, c.lane_id, c.lane_seq, c.subject, c.root, c.state, c.state_reason,
c.state_since, c.event_seq, c.attempts, c.spent, c.stumbles, c.received_at, c.due_at, c.not_after, c.correlation_id,
c.traceparent, coalesce(c.decided_digest, c.envelope_digest) AS envelope_digest, c.decided_attempts, c.takes_back,
c.consent_version, c.approval_required, c.approval_digest, c.approval_until, c.approval_payload, c.author_assurance,
c.possible_duplicate_of, c.action_type, c.operation, p.content AS envelope,
s.version AS consent_version_now, s.active AS consent_active, s.valid_until AS consent_until,
(SELECT array_agg(w.kind) FROM switches w WHERE w.id = ANY (c.switch_ids) AND NOT w.is_on) AS switches_off,
(SELECT count(*) FROM switches w WHERE w.id = ANY (c.switch_ids)) = cardinality(c.switch_ids) AS switches_known,
{IN_LOOP} AS in_loop,
coalesce(c.target_reference, tg.reference) AS known_target,
EXISTS (SELECT 1 FROM events e WHERE e.command_id = c.id
           AND (e.trigger = 'resend_decided' OR e.detail ? 'knowing')
           AND NOT EXISTS (SELECT 1 FROM events r WHERE r.command_id = c.id AND r.trigger = 'remapped' AND r.seq > e.seq))
  AS resend_decided,
(SELECT e.detail->>'rests_on' FROM events e WHERE e.command_id = c.id AND e.detail ? 'rests_on'
  ORDER BY e.seq DESC LIMIT 1) AS decided_on,
(SELECT q.content FROM payloads q
  WHERE c.decided_digest IS NOT NULL AND q.tenant = c.tenant AND q.digest = c.envelope_digest) AS received_envelope,
(SELECT m.survivor_key IS NOT NULL FROM lanes h JOIN patient_merges m USING (connection_id, patient_key)
  WHERE h.id = coalesce(c.home_lane_id, c.lane_id) ORDER BY m.id DESC LIMIT 1) AS known_merged,
c.sent_as, c.sends_stored_of, c.undoes,
(SELECT json_agg(json_build_array(o.seq, o.state, o.placeholder, o.reference, o.version_written) ORDER BY o.seq)
   FROM operations o WHERE o.command_id = c.id) AS operations,
(SELECT coalesce(json_agg(json_build_array(o.if_match, o.version_written, e.id = c.target_command)
                          ORDER BY e.lane_seq), '[]')
   FROM commands e JOIN operations o ON o.command_id = e.id
  WHERE e.lane_id = c.lane_id AND e.subject = c.subject AND e.lane_seq < c.lane_seq
    AND e.state IN ('verified', 'compensated') AND o.version_written IS NOT NULL
    AND o.reference = coalesce(c.target_reference, tg.reference)
    AND (e.id = ANY (c.after) OR e.id = c.target_command
         OR (e.app = c.app AND e.author_digest = c.author_digest))) AS own_versions,
(SELECT json_agg(json_build_array(d.person, d.person_name, d.at) ORDER BY d.id) FROM decisions d
  WHERE d.command_id = c.id AND d.valid_until IS NOT NULL AND starts_with(d.person, 'person:')
    AND c.approval_digest = coalesce(c.decided_digest, c.envelope_digest)
    AND d.case_id = (SELECT f.case_id FROM decisions f
                      WHERE f.command_id = c.id AND f.valid_until IS NOT NULL AND f.stage = 'final'
                      ORDER BY f.id DESC LIMIT 1)) AS approvals,
(SELECT o.mapping_version FROM operations o WHERE o.command_id = c.id ORDER BY o.seq LIMIT 1) AS mapping_version
"""

COMMAND_JOINS = """
JOIN connections k ON k.id = c.connection_id
JOIN payloads p ON p.tenant = c.tenant AND p.digest = coalesce(c.decided_digest, c.envelope_digest)
LEFT JOIN consents s ON s.id = c.consent_id
LEFT JOIN LATERAL (SELECT o.reference FROM operations o JOIN commands t ON t.root = o.command_id
                    WHERE t.id = c.target_command AND o.is_primary ORDER BY o.seq LIMIT 1) tg ON true
"""


def followed_versions(seen: str | None, own: list[list[Any]]) -> tuple[str, ...]:
    """Return the versions that lead, write of ours by write of ours, from what the author saw to the chart as it may be now.

    ``own`` are (precondition, version written, is the target itself) in order. A write that started from a version outside
    the chain followed somebody else's edit, which this author has not seen: it leads nowhere.
    """
    chain = [] if seen is None else [seen]
    for precondition, written, is_target in own:
        if is_target or precondition in chain:
            chain.append(written)
    return tuple(dict.fromkeys(chain))


def command_from(row: dict[str, Any]) -> Command:
    """Return the command of one row of :data:`COMMAND_COLUMNS`."""
    envelope = envelope_from(exact_json.parse(bytes(row["envelope"])))
    seen = envelope.target.version_id if envelope.target else None
    return Command(
        id=row["id"],
        tenant=row["tenant"],
        app=row["app"],
        connection=row["connection"],
        lane_id=row["lane_id"],
        lane_seq=row["lane_seq"],
        subject=row["subject"],
        root=row["root"],
        state=State(row["state"]),
        attempts=row["attempts"],
        spent=row["spent"],
        stumbles=row["stumbles"],
        event_seq=row["event_seq"],
        takes_back=row["takes_back"],
        envelope=envelope,
        digest=bytes(row["envelope_digest"]),
        governance=_governance(row),
        received_at=row["received_at"],
        due_at=row["due_at"],
        not_after=row["not_after"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
        mapping_version=row["mapping_version"],
        target_reference=row["known_target"],
        known_versions=followed_versions(seen, row["own_versions"]),
        resend_decided=row["resend_decided"],
        decided_on=row["decided_on"] or "",
        sent_as=row["sent_as"],
        sends_stored_of=row["sends_stored_of"],
        named_patient=_named(row["received_envelope"]) or envelope.patient.reference,
        known_merged=bool(row["known_merged"]),
        undoes=row["undoes"],
        is_replanned=row["decided_attempts"] is not None and row["decided_attempts"] == row["attempts"],
        approvals=tuple(_approval(*approval) for approval in row["approvals"] or ()),
        operations=tuple(_progress(*operation) for operation in row["operations"] or ()),
    )


def _named(received: bytes | None) -> str:
    """Return the record that the app named, where what is sent was decided since; else nothing."""
    return str(exact_json.parse(bytes(received))["patient"]["reference"]) if received is not None else ""


def _progress(
    seq: int, state: str, placeholder: str | None, reference: str | None, version: str | None
) -> OperationProgress:
    return OperationProgress(seq=seq, state=state, placeholder=placeholder, reference=reference, version=version)


def _approval(person: str, name: str, at: str) -> Approval:
    return Approval(person=person.removeprefix("person:"), name=name, at=datetime.fromisoformat(at).astimezone(UTC))


def _governance(row: dict[str, Any]) -> Governance:
    digest, payload = row["approval_digest"], row["approval_payload"]
    return Governance(
        consent_version=row["consent_version"],
        consent_version_now=row["consent_version_now"],
        consent_active=bool(row["consent_active"]),
        consent_until=row["consent_until"],
        switches_off=tuple(row["switches_off"] or ()),
        switches_known=bool(row["switches_known"]),
        in_loop=row["in_loop"],
        approval_required=row["approval_required"],
        approval_digest=bytes(digest) if digest is not None else None,
        approval_until=row["approval_until"],
        approval_payload=bytes(payload) if payload is not None else None,
    )


def operation_from(row: dict[str, Any]) -> Operation:
    """Return an operation exactly as it was journaled, bytes included."""
    return Operation(
        seq=row["seq"],
        interaction=Interaction(row["interaction"]),
        resource_type=row["resource_type"],
        reference=row["reference"],
        body=bytes(row["body"]),
        mark=row["mark"],
        if_match=row["if_match"],
        if_none_exist=row["if_none_exist"],
        mapping_version=row["mapping_version"],
        placeholder=row["placeholder"],
        is_primary=row["is_primary"],
        path=row["path"],
    )
