"""What readers are told of commands: summaries, timelines, search and its pages. No content, no SQL, no words for people."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from canonical.lifecycle import State


@dataclass(frozen=True, kw_only=True)
class CommandSummary:
    """One command without its content: what it is, where it is, since when."""

    id: UUID
    tenant: str
    app: str
    connection: str
    action_type: str
    operation: str
    state: State
    reason: str
    state_since: datetime
    event_seq: int
    attempts: int
    received_at: datetime
    due_at: datetime
    not_after: datetime | None
    correlation_id: str
    author_assurance: str
    possible_duplicate_of: UUID | None
    target_reference: str | None
    target_command: UUID | None
    sent_as: str | None


@dataclass(frozen=True, kw_only=True)
class TimelineEvent:
    """One fact of a command's life; ``source`` is empty for the first."""

    seq: int
    at: datetime
    trigger: str
    source: str
    target: str
    reason: str
    actor: str
    attempt: int | None


@dataclass(frozen=True, kw_only=True)
class OperationView:
    """One interaction with the EHR: what was sent for, and what the EHR calls it."""

    seq: int
    interaction: str
    resource_type: str
    state: str
    reference: str | None
    version: str | None


@dataclass(frozen=True, kw_only=True)
class CommandDetail:
    """A command with all that happened to it, oldest first.

    ``replay_of`` is the command that it was given in place of, ``replays`` those that were given in its place.
    """

    summary: CommandSummary
    events: tuple[TimelineEvent, ...]
    operations: tuple[OperationView, ...]
    replay_of: UUID | None = None
    replays: tuple[UUID, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CommandQuery:
    """What to look for; what is left out does not narrow.

    ``patient_keys`` (32 bytes each) as in :func:`canonical.admission.patient_key`; ``key_hashes`` as in
    :func:`canonical.idempotency.key_hash`; ``patient_identifier`` (system or ``None``, value) compares with the envelope.
    Times are UTC, ``received_to`` excluded.
    """

    app: str | None = None
    connection: str | None = None
    patient_keys: tuple[bytes, ...] | None = None
    patient_identifier: tuple[str | None, str] | None = None
    correlation_id: str | None = None
    key_hashes: tuple[bytes, ...] | None = None
    states: tuple[State, ...] | None = None
    action_type: str | None = None
    operation: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class CommandPage:
    """Newest first; ``cursor`` leads on, ``None`` at the end. A page by patient identifier may be short of its limit."""

    commands: tuple[CommandSummary, ...] = field(default=())
    cursor: str | None = None
