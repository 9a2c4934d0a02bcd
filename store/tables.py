"""The tables, as SQLAlchemy metadata; not their history (``migrations/``) and no queries.

Clinical content lives in ``payloads`` only. Every table carries the tenant. Indexes for work queues are partial, on what
is due: a sweep costs what is due, not what was ever written.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from canonical.lifecycle import ENDED, ENDED_WITHOUT_EFFECT, OPEN, State
from store.columns import LONG_AGO, METADATA, NOW, OPEN_UNDER_CONSENT, listed, text_column, time_column

#: One EHR endpoint of one tenant, with what the claim must know of it.
connections = Table(
    "connections",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    text_column("name"),
    text_column("adapter"),
    Column("max_in_flight", Integer, nullable=False),
    Column("lease", Interval, nullable=False),
    Column("quarantine", Interval, nullable=False),
    time_column("not_before", nullable=False, default=LONG_AGO),
    text_column("closed_reason", nullable=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    UniqueConstraint("tenant", "name"),
)

#: In-flight places of a connection; a place dies with its lease, so nothing leaks after a crash.
slots = Table(
    "slots",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("no", Integer, nullable=False),
    time_column("until", nullable=False, default=LONG_AGO),
    Column("lane_id", BigInteger),
    PrimaryKeyConstraint("connection_id", "no"),
)

#: Tenant + connection + patient: the unit that is leased. Of a merged patient everything stands in the lane that it ``joins``.
lanes = Table(
    "lanes",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("patient_key", LargeBinary, nullable=False),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    time_column("lease_until", nullable=False, default=LONG_AGO),
    time_column("quarantine_until", nullable=False, default=LONG_AGO),
    Column("stumbles", Integer, nullable=False, server_default="0"),
    Column("joins", BigInteger),
    time_column("joined_at"),
    Column("joining", Boolean, nullable=False, server_default=text("false")),
    time_column("merge_look_at"),
    UniqueConstraint("connection_id", "patient_key"),
)

#: The consent in force, one row per consent; its past is in ``consent_versions``.
consents = Table(
    "consents",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    text_column("reference"),
    Column("patient_key", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("actions", ARRAY(Text), nullable=False),
    Column("apps", ARRAY(Text), nullable=False),
    time_column("valid_from", nullable=False),
    time_column("valid_until"),
    UniqueConstraint("tenant", "reference"),
)

consent_versions = Table(
    "consent_versions",
    METADATA,
    Column("consent_id", BigInteger, ForeignKey("consents.id"), nullable=False),
    Column("version", Integer, nullable=False),
    text_column("tenant"),
    Column("active", Boolean, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("actions", ARRAY(Text), nullable=False),
    Column("apps", ARRAY(Text), nullable=False),
    time_column("valid_from", nullable=False),
    time_column("valid_until"),
    text_column("actor"),
    time_column("at", nullable=False, default=NOW),
    PrimaryKeyConstraint("consent_id", "version"),
)

#: Kill switches. A row exists before a command may rely on it, so that the claim can lock it; no row denies.
switches = Table(
    "switches",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    text_column("kind"),
    text_column("key"),
    Column("is_on", Boolean, nullable=False, server_default=text("true")),
    text_column("reason", nullable=True),
    text_column("changed_by", nullable=True),
    time_column("changed_at", nullable=False, default=NOW),
    UniqueConstraint("tenant", "kind", "key"),
)

#: Accepted intents. A state is written by a guarded move only, with its event in the same transaction.
commands = Table(
    "commands",
    METADATA,
    Column("id", Uuid, primary_key=True),
    text_column("tenant"),
    text_column("app"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("lane_id", BigInteger, ForeignKey("lanes.id"), nullable=False),
    Column("lane_seq", BigInteger, nullable=False),
    Column("home_lane_id", BigInteger),
    text_column("subject"),
    Column("root", Uuid, nullable=False),
    text_column("action_type"),
    text_column("operation"),
    text_column("state"),
    text_column("state_reason"),
    time_column("state_since", nullable=False, default=NOW),
    Column("event_seq", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("spent", Integer, nullable=False, server_default="0"),
    Column("stumbles", Integer, nullable=False, server_default="0"),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    time_column("received_at", nullable=False, default=NOW),
    time_column("due_at", nullable=False, default=NOW),
    time_column("not_after"),
    Column("consent_id", BigInteger, ForeignKey("consents.id"), nullable=False),
    Column("consent_version", Integer, nullable=False),
    Column("switch_ids", ARRAY(BigInteger), nullable=False),
    Column("envelope_digest", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    text_column("correlation_id"),
    text_column("traceparent", nullable=True),
    Column("approval_required", Boolean, nullable=False, server_default=text("false")),
    Column("approval_digest", LargeBinary),
    time_column("approval_until"),
    Column("approval_payload", LargeBinary),
    Column("decided_digest", LargeBinary),
    Column("decided_attempts", Integer),
    text_column("target_reference", nullable=True),
    Column("target_command", Uuid),
    Column("after", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("takes_back", Boolean, nullable=False, server_default=text("false")),
    Column("author_digest", LargeBinary, nullable=False),
    text_column("author_assurance"),
    Column("duplicate_key", LargeBinary),
    Column("possible_duplicate_of", Uuid),
    text_column("sent_as", nullable=True),
    # The last: of which command it takes back an operation, and the operation's place in that.
    *(Column(name, Uuid) for name in ("replay_of", "sends_stored_of", "undoes")),
    Column("rest_tries", SmallInteger, nullable=False, server_default="0"),
    text_column("rest_left", nullable=True),
    Column("rest_left_who", Text, nullable=False, server_default=""),
    Column("undoes_seq", Integer),
    UniqueConstraint("tenant", "app", "key_hash", name="uq_commands_key"),
    UniqueConstraint("lane_id", "lane_seq"),
    CheckConstraint(f"state IN ({listed(frozenset(State))})", name="state"),
    Index("ix_commands_open", "lane_id", "lane_seq", postgresql_where=text(f"state IN ({listed(OPEN)})")),
    Index("ix_commands_due", "due_at", "lane_id", postgresql_where=text("state = 'ready'")),
    Index("ix_commands_in_flight", "lane_id", postgresql_where=text("state IN ('sending', 'unknown')")),
    Index("ix_commands_unproven", "due_at", postgresql_where=text("state = 'applied'")),
    # What the EHR's staff have, of each connection: the longest waiting, and what is asked for next.
    Index(
        "ix_commands_waiting_since", "connection_id", "state_since", postgresql_where=text("state = 'pending_remote'")
    ),
    Index("ix_commands_waiting_due", "connection_id", "due_at", postgresql_where=text("state = 'pending_remote'")),
    Index("ix_commands_incomplete_due", "due_at", postgresql_where=text("state = 'incomplete' AND rest_left IS NULL")),
    Index("ix_commands_taking_back", "state_since", postgresql_where=text("state = 'taking_back'")),
    Index("ix_commands_undoes", "undoes", postgresql_where=text("undoes IS NOT NULL")),
    Index("ix_commands_parked", "connection_id", postgresql_where=text("state = 'parked'")),
    Index(
        "ix_commands_deadline", "not_after", postgresql_where=text("state IN ('ready', 'parked', 'awaiting_approval')")
    ),
    Index("ix_commands_subject", "lane_id", "subject", "lane_seq"),
    Index("ix_commands_correlation", "tenant", "correlation_id"),
    Index("ix_commands_duplicate", "tenant", "duplicate_key", postgresql_where=text("duplicate_key IS NOT NULL")),
    Index("ix_commands_received", "tenant", "received_at", "id"),
    Index(
        "ix_commands_not_in_chart",
        "tenant",
        "received_at",
        "state",
        postgresql_where=text(f"state IN ({listed(ENDED)})"),
    ),
    # Whose target a notification may name.
    Index(
        "ix_commands_open_targets",
        *("connection_id", "target_reference"),
        postgresql_where=text(f"target_reference IS NOT NULL AND state IN ({listed(OPEN)})"),
    ),
    Index("ix_commands_replays", "replay_of", postgresql_where=text("replay_of IS NOT NULL")),
    # Of those given in place of one command, one at a time may still reach the chart, or be there.
    Index(
        "uq_commands_living_replay",
        "replay_of",
        unique=True,
        postgresql_where=text(f"replay_of IS NOT NULL AND state NOT IN ({listed(ENDED_WITHOUT_EFFECT)})"),
    ),
    Index("ix_commands_consent_open", "consent_id", postgresql_where=text(OPEN_UNDER_CONSENT)),
)

operations = Table(
    "operations",
    METADATA,
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    text_column("tenant"),
    text_column("state"),
    text_column("interaction"),
    text_column("resource_type"),
    text_column("mark"),
    Column("body_digest", LargeBinary, nullable=False),
    text_column("if_match", nullable=True),
    text_column("if_none_exist", nullable=True),
    text_column("mapping_version"),
    text_column("reference", nullable=True),
    text_column("version_written", nullable=True),
    text_column("path", nullable=True),
    text_column("placeholder", nullable=True),
    Column("is_primary", Boolean, nullable=False, server_default=text("true")),
    PrimaryKeyConstraint("command_id", "seq"),
)

#: One request each, journaled before it leaves; a late answer is added, never lost.
attempts = Table(
    "attempts",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("operation_seq", Integer, nullable=False),
    Column("lane_id", BigInteger, nullable=False),
    text_column("kind"),
    Column("n", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("body_digest", LargeBinary),
    text_column("precondition", nullable=True),
    text_column("mapping_version", nullable=True),
    Column("request_id", Uuid, nullable=False),
    time_column("claimed_at", nullable=False, default=NOW),
    time_column("settled_at"),
    text_column("outcome", nullable=True),
    Column("status", Integer),
    text_column("vendor_code", nullable=True),
    text_column("detail", nullable=True),
    text_column("reference", nullable=True),
    text_column("version", nullable=True),
    Column("answer_digest", LargeBinary),
    text_column("late_outcome", nullable=True),
    Column("late_status", Integer),
    time_column("late_at"),
    Index("ix_attempts_command", "command_id"),
    Index("ix_attempts_vendor_code", "tenant", "vendor_code", "id", postgresql_where=text("vendor_code IS NOT NULL")),
)

#: Append-only: the database refuses UPDATE, DELETE and TRUNCATE.
events = Table(
    "events",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("command_id", Uuid, nullable=False),
    Column("seq", Integer, nullable=False),
    time_column("at", nullable=False, default=NOW),
    text_column("trigger"),
    text_column("source"),
    text_column("target"),
    text_column("reason"),
    text_column("actor"),
    Column("attempt", Integer),
    Column("fence", BigInteger),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("command_id", "seq"),
    # Facts are stored in the order of their time: a few pages tell where a day of them lies.
    Index("ix_events_at", "at", postgresql_using="brin"),
)

#: The only place of clinical content, by digest of the bytes.
payloads = Table(
    "payloads",
    METADATA,
    text_column("tenant"),
    Column("digest", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    time_column("stored_at", nullable=False, default=NOW),
    PrimaryKeyConstraint("tenant", "digest"),
)

#: Our id ↔ the EHR's id.
links = Table(
    "links",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    text_column("reference"),
    text_column("tenant"),
    Column("root", Uuid, nullable=False),
    text_column("version", nullable=True),
    time_column("changed_at", nullable=False, default=NOW),
    PrimaryKeyConstraint("connection_id", "reference"),
    Index("ix_links_root", "root"),
)

#: What the doors refused: the reason and the fields, and for messages the body, since no sender may still hold it.
refused_messages = Table(
    "refused_messages",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    text_column("app", nullable=True),
    text_column("door"),
    text_column("code"),
    Column("errors", JSONB, nullable=False, server_default=text("'[]'")),
    Column("body_digest", LargeBinary),
    Column("message_digest", LargeBinary),
    time_column("refused_at", nullable=False, default=NOW),
    Index("ix_refused_messages_at", "tenant", "refused_at"),
    Index("ix_refused_messages_recent", "refused_at"),
    Index(
        *("uq_refused_messages_message", "message_digest"),
        unique=True,
        postgresql_where=text("message_digest IS NOT NULL"),
    ),
)

#: Last success of each sweep, by name: the liveness that matters.
sweeps = Table(
    "sweeps",
    METADATA,
    Column("name", Text, primary_key=True),
    time_column("finished_at", nullable=False),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
)
