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
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from canonical.lifecycle import OPEN, State

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
LONG_AGO = text("'-infinity'")
NOW = text("clock_timestamp()")


def _time(name: str, *, nullable: bool = True, default: TextClause | None = None) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def _text(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Text, nullable=nullable)


def listed(states: frozenset[State]) -> str:
    """Return states as the inside of an SQL ``IN ( )``."""
    return ", ".join(f"'{state}'" for state in sorted(states))


#: One EHR endpoint of one tenant, with what the claim must know of it.
connections = Table(
    "connections",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    _text("name"),
    _text("adapter"),
    Column("max_in_flight", Integer, nullable=False),
    Column("lease", Interval, nullable=False),
    Column("quarantine", Interval, nullable=False),
    _time("not_before", nullable=False, default=LONG_AGO),
    _text("closed_reason", nullable=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    UniqueConstraint("tenant", "name"),
)

#: In-flight places of a connection; a place dies with its lease, so nothing leaks after a crash.
slots = Table(
    "slots",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("no", Integer, nullable=False),
    _time("until", nullable=False, default=LONG_AGO),
    Column("lane_id", BigInteger),
    PrimaryKeyConstraint("connection_id", "no"),
)

#: Tenant + connection + patient: the unit that is leased.
lanes = Table(
    "lanes",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("patient_key", LargeBinary, nullable=False),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    _time("lease_until", nullable=False, default=LONG_AGO),
    _time("quarantine_until", nullable=False, default=LONG_AGO),
    Column("stumbles", Integer, nullable=False, server_default="0"),
    UniqueConstraint("connection_id", "patient_key"),
)

#: The consent in force, one row per consent; its past is in ``consent_versions``.
consents = Table(
    "consents",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    _text("reference"),
    Column("patient_key", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("actions", ARRAY(Text), nullable=False),
    Column("apps", ARRAY(Text), nullable=False),
    _time("valid_from", nullable=False),
    _time("valid_until"),
    UniqueConstraint("tenant", "reference"),
)

consent_versions = Table(
    "consent_versions",
    METADATA,
    Column("consent_id", BigInteger, ForeignKey("consents.id"), nullable=False),
    Column("version", Integer, nullable=False),
    _text("tenant"),
    Column("active", Boolean, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("actions", ARRAY(Text), nullable=False),
    Column("apps", ARRAY(Text), nullable=False),
    _time("valid_from", nullable=False),
    _time("valid_until"),
    _text("actor"),
    _time("at", nullable=False, default=NOW),
    PrimaryKeyConstraint("consent_id", "version"),
)

#: Kill switches. A row exists before a command may rely on it, so that the claim can lock it; no row denies.
switches = Table(
    "switches",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    _text("kind"),
    _text("key"),
    Column("is_on", Boolean, nullable=False, server_default=text("true")),
    _text("reason", nullable=True),
    _text("changed_by", nullable=True),
    _time("changed_at", nullable=False, default=NOW),
    UniqueConstraint("tenant", "kind", "key"),
)

#: Accepted intents. A state is written by a guarded move only, with its event in the same transaction.
commands = Table(
    "commands",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _text("tenant"),
    _text("app"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("lane_id", BigInteger, ForeignKey("lanes.id"), nullable=False),
    Column("lane_seq", BigInteger, nullable=False),
    _text("subject"),
    Column("root", Uuid, nullable=False),
    _text("action_type"),
    _text("operation"),
    _text("state"),
    _text("state_reason"),
    _time("state_since", nullable=False, default=NOW),
    Column("event_seq", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("spent", Integer, nullable=False, server_default="0"),
    Column("stumbles", Integer, nullable=False, server_default="0"),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    _time("received_at", nullable=False, default=NOW),
    _time("due_at", nullable=False, default=NOW),
    _time("not_after"),
    Column("consent_id", BigInteger, ForeignKey("consents.id"), nullable=False),
    Column("consent_version", Integer, nullable=False),
    Column("switch_ids", ARRAY(BigInteger), nullable=False),
    Column("envelope_digest", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    _text("correlation_id"),
    _text("traceparent", nullable=True),
    Column("approval_required", Boolean, nullable=False, server_default=text("false")),
    Column("approval_digest", LargeBinary),
    _time("approval_until"),
    Column("approval_payload", LargeBinary),
    Column("decided_digest", LargeBinary),
    Column("decided_attempts", Integer),
    _text("target_reference", nullable=True),
    Column("target_command", Uuid),
    Column("after", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("takes_back", Boolean, nullable=False, server_default=text("false")),
    Column("author_digest", LargeBinary, nullable=False),
    _text("author_assurance"),
    Column("duplicate_key", LargeBinary),
    Column("possible_duplicate_of", Uuid),
    _text("sent_as", nullable=True),
    UniqueConstraint("tenant", "app", "key_hash", name="uq_commands_key"),
    UniqueConstraint("lane_id", "lane_seq"),
    CheckConstraint(f"state IN ({listed(frozenset(State))})", name="state"),
    Index("ix_commands_open", "lane_id", "lane_seq", postgresql_where=text(f"state IN ({listed(OPEN)})")),
    Index("ix_commands_due", "due_at", "lane_id", postgresql_where=text("state = 'ready'")),
    Index("ix_commands_in_flight", "lane_id", postgresql_where=text("state IN ('sending', 'unknown')")),
    Index("ix_commands_unproven", "due_at", postgresql_where=text("state = 'applied'")),
    Index("ix_commands_pending_remote", "state_since", postgresql_where=text("state = 'pending_remote'")),
    Index("ix_commands_parked", "connection_id", postgresql_where=text("state = 'parked'")),
    Index(
        "ix_commands_deadline", "not_after", postgresql_where=text("state IN ('ready', 'parked', 'awaiting_approval')")
    ),
    Index("ix_commands_subject", "lane_id", "subject", "lane_seq"),
    Index("ix_commands_correlation", "tenant", "correlation_id"),
    Index("ix_commands_duplicate", "tenant", "duplicate_key", postgresql_where=text("duplicate_key IS NOT NULL")),
    Index("ix_commands_received", "tenant", "received_at", "id"),
    Index("ix_commands_consent_open", "consent_id", postgresql_where=text(f"state IN ({listed(OPEN)})")),
)

operations = Table(
    "operations",
    METADATA,
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    _text("tenant"),
    _text("state"),
    _text("interaction"),
    _text("resource_type"),
    _text("mark"),
    Column("body_digest", LargeBinary, nullable=False),
    _text("if_match", nullable=True),
    _text("if_none_exist", nullable=True),
    _text("mapping_version"),
    _text("reference", nullable=True),
    _text("version_written", nullable=True),
    _text("path", nullable=True),
    _text("placeholder", nullable=True),
    Column("is_primary", Boolean, nullable=False, server_default=text("true")),
    PrimaryKeyConstraint("command_id", "seq"),
)

#: One request each, journaled before it leaves; a late answer is added, never lost.
attempts = Table(
    "attempts",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("operation_seq", Integer, nullable=False),
    Column("lane_id", BigInteger, nullable=False),
    _text("kind"),
    Column("n", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("body_digest", LargeBinary),
    _text("precondition", nullable=True),
    _text("mapping_version", nullable=True),
    Column("request_id", Uuid, nullable=False),
    _time("claimed_at", nullable=False, default=NOW),
    _time("settled_at"),
    _text("outcome", nullable=True),
    Column("status", Integer),
    _text("vendor_code", nullable=True),
    _text("detail", nullable=True),
    _text("reference", nullable=True),
    _text("version", nullable=True),
    Column("answer_digest", LargeBinary),
    _text("late_outcome", nullable=True),
    Column("late_status", Integer),
    _time("late_at"),
    Index("ix_attempts_command", "command_id"),
)

#: Append-only: the database refuses UPDATE, DELETE and TRUNCATE.
events = Table(
    "events",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    Column("command_id", Uuid, nullable=False),
    Column("seq", Integer, nullable=False),
    _time("at", nullable=False, default=NOW),
    _text("trigger"),
    _text("source"),
    _text("target"),
    _text("reason"),
    _text("actor"),
    Column("attempt", Integer),
    Column("fence", BigInteger),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("command_id", "seq"),
)

#: The only place of clinical content, by digest of the bytes.
payloads = Table(
    "payloads",
    METADATA,
    _text("tenant"),
    Column("digest", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _time("stored_at", nullable=False, default=NOW),
    PrimaryKeyConstraint("tenant", "digest"),
)

#: Our id ↔ the EHR's id.
links = Table(
    "links",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    _text("reference"),
    _text("tenant"),
    Column("root", Uuid, nullable=False),
    _text("version", nullable=True),
    _time("changed_at", nullable=False, default=NOW),
    PrimaryKeyConstraint("connection_id", "reference"),
    Index("ix_links_root", "root"),
)

#: What a person must decide, or should see. ``holds``: its command goes no further before; ``version`` counts changes.
cases = Table(
    "cases",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("connection_id", BigInteger, nullable=False),
    _text("action_type"),
    _text("kind"),
    _text("pool"),
    Column("severity", SmallInteger, nullable=False),
    Column("holds", Boolean, nullable=False, server_default=text("true")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    _time("opened_at", nullable=False, default=NOW),
    _time("due_at", nullable=False, default=NOW),
    Column("level", SmallInteger, nullable=False, server_default="0"),
    Column("rounds", SmallInteger, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="0"),
    _text("claimed_by", nullable=True),
    _text("claimed_name", nullable=True),
    _time("claimed_until"),
    _time("first_look_at"),
    _time("asked_until"),
    _time("alerted_at"),
    _time("alert_over_at"),
    # When it goes up a level; nothing: when it is due. Of one that goes no further, infinity.
    _time("up_at"),
    _time("next_look_at", nullable=False, default=LONG_AGO),
    _time("closed_at"),
    _text("closed_reason", nullable=True),
    _text("closed_by", nullable=True),
    Index("uq_cases_open", "command_id", "kind", unique=True, postgresql_where=text("closed_at IS NULL")),
    Index("ix_cases_queue", "tenant", "pool", "severity", "due_at", "id", postgresql_where=text("closed_at IS NULL")),
    Index("ix_cases_due", "due_at", postgresql_where=text("closed_at IS NULL")),
    Index("ix_cases_not_up", "due_at", postgresql_where=text("closed_at IS NULL AND up_at IS NULL")),
    Index("ix_cases_up", "up_at", postgresql_where=text("closed_at IS NULL AND up_at IS NOT NULL")),
    Index("ix_cases_to_look", "next_look_at", postgresql_where=text("closed_at IS NULL AND kind = 'conflict'")),
    Index(
        "ix_cases_unalerted", "severity", "due_at", postgresql_where=text("closed_at IS NULL AND alerted_at IS NULL")
    ),
    Index("ix_cases_alerts", "closed_at", postgresql_where=text("alerted_at IS NOT NULL AND alert_over_at IS NULL")),
    Index("ix_cases_asked", "asked_until", postgresql_where=text("closed_at IS NULL AND asked_until IS NOT NULL")),
    Index("ix_cases_command", "command_id"),
    Index("ix_cases_closed", "tenant", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
)

#: How long a case of each severity may wait; a copy of the policy that is in force, for the statements that open cases.
case_terms = Table(
    "case_terms",
    METADATA,
    Column("severity", SmallInteger, primary_key=True, autoincrement=False),
    Column("within", Interval, nullable=False),
)

#: What a reviewer was shown of the chart, which a decision must name; the content is among the payloads.
case_views = Table(
    "case_views",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _text("tenant"),
    Column("case_id", BigInteger, ForeignKey("cases.id"), nullable=False),
    _text("shown_to"),
    _time("at", nullable=False, default=NOW),
    Column("chart_digest", LargeBinary, nullable=False),
    _text("base_version", nullable=True),
    Column("content_digest", LargeBinary, nullable=False),
    Index("ix_case_views_case", "case_id"),
)

#: What people decided, signed and asked: append-only, as the events are. Free words are among the payloads.
decisions = Table(
    "decisions",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    Column("case_id", BigInteger, ForeignKey("cases.id"), nullable=False),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("view_id", Uuid, ForeignKey("case_views.id")),
    _text("verb"),
    _text("stage"),
    _text("person"),
    _text("person_name"),
    Column("licences", ARRAY(Text), nullable=False),
    _time("at", nullable=False, default=NOW),
    _text("reason"),
    Column("content_digest", LargeBinary),
    Column("envelope_digest", LargeBinary),
    Column("payload_digest", LargeBinary),
    _text("base_version", nullable=True),
    _text("policy_version"),
    _time("valid_until"),
    Column("changed", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("view_id", "stage", name="uq_decisions_view"),
    Index("ix_decisions_case", "case_id"),
    Index("ix_decisions_command", "command_id"),
    Index("ix_decisions_at", "tenant", "at"),
)

#: Where an app wants to be told; registered, never taken from an envelope.
endpoints = Table(
    "endpoints",
    METADATA,
    Column("id", Uuid, primary_key=True),
    _text("tenant"),
    _text("app"),
    _text("url"),
    _text("secret"),
    _time("created_at", nullable=False, default=NOW),
    _time("failing_since"),
    _time("trying_until", nullable=False, default=LONG_AGO),
    _time("disabled_at"),
    UniqueConstraint("tenant", "app", "url", name="uq_endpoints_url"),
)

callbacks = Table(
    "callbacks",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    Column("endpoint_id", Uuid, ForeignKey("endpoints.id"), nullable=False),
    Column("command_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    _text("status"),
    _text("state"),
    _text("reason"),
    _time("created_at", nullable=False, default=NOW),
    _time("due_at", nullable=False, default=NOW),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_status", Integer),
    _time("delivered_at"),
    _time("given_up_at"),
    UniqueConstraint("endpoint_id", "command_id", "sequence"),
    Index("ix_callbacks_due", "due_at", postgresql_where=text("delivered_at IS NULL AND given_up_at IS NULL")),
)

#: What the doors refused: the reason and the fields, and for messages the body, since no sender may still hold it.
refused_messages = Table(
    "refused_messages",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("tenant"),
    _text("app", nullable=True),
    _text("door"),
    _text("code"),
    Column("errors", JSONB, nullable=False, server_default=text("'[]'")),
    Column("body_digest", LargeBinary),
    Column("message_digest", LargeBinary),
    _time("refused_at", nullable=False, default=NOW),
    Index("ix_refused_messages_at", "tenant", "refused_at"),
    Index("ix_refused_messages_recent", "refused_at"),
    Index(
        "uq_refused_messages_message",
        "message_digest",
        unique=True,
        postgresql_where=text("message_digest IS NOT NULL"),
    ),
)

#: Last success of each sweep, by name: the liveness that matters.
sweeps = Table(
    "sweeps",
    METADATA,
    Column("name", Text, primary_key=True),
    _time("finished_at", nullable=False),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
)
