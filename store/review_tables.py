"""The tables of the review queue: cases, what their reviewers were shown, what was decided. No queries; see ``tables.py``."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import LONG_AGO, METADATA, NOW, text_column, time_column

#: What a person must decide, or should see. ``holds``: its command goes no further before; ``version`` counts changes.
cases = Table(
    "cases",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("connection_id", BigInteger, nullable=False),
    text_column("action_type"),
    text_column("kind"),
    text_column("pool"),
    Column("severity", SmallInteger, nullable=False),
    Column("holds", Boolean, nullable=False, server_default=text("true")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    time_column("opened_at", nullable=False, default=NOW),
    time_column("due_at", nullable=False, default=NOW),
    Column("level", SmallInteger, nullable=False, server_default="0"),
    Column("rounds", SmallInteger, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="0"),
    text_column("claimed_by", nullable=True),
    text_column("claimed_name", nullable=True),
    time_column("claimed_until"),
    time_column("first_look_at"),
    time_column("asked_until"),
    time_column("alerted_at"),
    time_column("alert_over_at"),
    # When it goes up a level; nothing: when it is due. Of one that goes no further, infinity.
    time_column("up_at"),
    time_column("next_look_at", nullable=False, default=LONG_AGO),
    # Of a kind that is gathered: what those of one connection and kind have in common that are one to work with.
    text_column("cause", nullable=True),
    # Whether it may stand for its cause in the queue; triggers see to it that one does while any is open.
    Column("stands", Boolean, nullable=False, server_default=text("true")),
    time_column("closed_at"),
    text_column("closed_reason", nullable=True),
    text_column("closed_by", nullable=True),
    Index("uq_cases_open", "command_id", "kind", unique=True, postgresql_where=text("closed_at IS NULL")),
    # In the order of the queue; what it is narrowed by comes after, so that no row is fetched only to be left out.
    Index(
        "ix_cases_queue",
        *("tenant", "pool", "severity", "due_at", "id", "kind", "action_type", "connection_id"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(
        "ix_cases_claimed",
        "tenant",
        "claimed_by",
        postgresql_where=text("closed_at IS NULL AND claimed_by IS NOT NULL"),
    ),
    Index("ix_cases_due", "due_at", postgresql_where=text("closed_at IS NULL")),
    Index("ix_cases_not_up", "due_at", postgresql_where=text("closed_at IS NULL AND up_at IS NULL")),
    Index("ix_cases_up", "up_at", postgresql_where=text("closed_at IS NULL AND up_at IS NOT NULL")),
    Index("ix_cases_to_look", "next_look_at", postgresql_where=text("closed_at IS NULL AND kind = 'conflict'")),
    Index(
        *("ix_cases_unalerted", "severity", "due_at"),
        postgresql_where=text("closed_at IS NULL AND alerted_at IS NULL AND (stands OR severity = 1)"),
    ),
    Index("ix_cases_alerts", "closed_at", postgresql_where=text("alerted_at IS NOT NULL AND alert_over_at IS NULL")),
    Index("ix_cases_asked", "asked_until", postgresql_where=text("closed_at IS NULL AND asked_until IS NOT NULL")),
    Index("ix_cases_command", "command_id"),
    # Too much drift at a connection is asked of once, whoever finds it.
    Index(
        "uq_cases_drift_incident",
        "connection_id",
        unique=True,
        postgresql_where=text("closed_at IS NULL AND kind = 'drift_incident'"),
    ),
    # So is a balance of a connection that does not close.
    Index(
        "uq_cases_balance",
        "connection_id",
        unique=True,
        postgresql_where=text("closed_at IS NULL AND kind = 'balance_open'"),
    ),
    Index(
        "ix_cases_lines",
        *("tenant", "pool", "severity", "due_at", "id", "kind", "action_type", "connection_id", "cause"),
        postgresql_where=text("closed_at IS NULL AND stands"),
    ),
    Index(
        "ix_cases_cause",
        *("connection_id", "kind", "cause", "severity", "due_at", "id"),
        postgresql_where=text("cause IS NOT NULL AND closed_at IS NULL"),
    ),
    Index(
        "ix_cases_cause_standing",
        *("connection_id", "kind", "cause", "severity", "due_at", "id"),
        postgresql_where=text("cause IS NOT NULL AND closed_at IS NULL AND stands"),
    ),
    Index(
        "ix_cases_cause_told",
        *("connection_id", "kind", "cause"),
        postgresql_where=text("alerted_at IS NOT NULL AND alert_over_at IS NULL AND cause IS NOT NULL"),
    ),
    Index("ix_cases_opened", "opened_at"),
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
    text_column("tenant"),
    Column("case_id", BigInteger, ForeignKey("cases.id"), nullable=False),
    text_column("shown_to"),
    time_column("at", nullable=False, default=NOW),
    Column("chart_digest", LargeBinary, nullable=False),
    text_column("base_version", nullable=True),
    Column("content_digest", LargeBinary, nullable=False),
    Index("ix_case_views_case", "case_id"),
)

#: What people decided, signed and asked: append-only, as the events are. Free words are among the payloads.
decisions = Table(
    "decisions",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("case_id", BigInteger, ForeignKey("cases.id"), nullable=False),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("view_id", Uuid, ForeignKey("case_views.id")),
    text_column("verb"),
    text_column("stage"),
    text_column("person"),
    text_column("person_name"),
    Column("licences", ARRAY(Text), nullable=False),
    time_column("at", nullable=False, default=NOW),
    text_column("reason"),
    Column("content_digest", LargeBinary),
    Column("envelope_digest", LargeBinary),
    Column("payload_digest", LargeBinary),
    text_column("base_version", nullable=True),
    text_column("policy_version"),
    time_column("valid_until"),
    Column("changed", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("view_id", "stage", name="uq_decisions_view"),
    Index("ix_decisions_case", "case_id"),
    Index("ix_decisions_command", "command_id"),
    Index("ix_decisions_at", "tenant", "at"),
)
