"""The first tables."""

# ruff: noqa: E501 - Alembic writes a check constraint in one line
from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


#: Facts are appended, never changed: by nobody who only has the tables' ordinary rights. (Whoever owns the tables can
#: disable a trigger; taking the right away by role is a deployment step, and seals find what was done all the same.)
APPEND_ONLY = ("events", "consent_versions")


def upgrade() -> None:
    """Apply the step."""
    _create_tables()
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '42501'; END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only_truncate")


def _create_tables() -> None:
    op.create_table(
        "connections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("max_in_flight", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Interval(), nullable=False),
        sa.Column("quarantine", sa.Interval(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_connections_tenant")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("patient_key", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("purposes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("actions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("apps", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("tenant", "reference", name=op.f("uq_consents_tenant")),
    )
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sa.UniqueConstraint("tenant", "app", "url", name="uq_endpoints_url"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("command_id", "seq", name=op.f("uq_events_command_id")),
    )
    op.create_table(
        "payloads",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_payloads")),
    )
    op.create_table(
        "refused_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=True),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=True),
        sa.Column("message_digest", sa.LargeBinary(), nullable=True),
        sa.Column(
            "refused_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_messages")),
    )
    op.create_index("ix_refused_messages_at", "refused_messages", ["tenant", "refused_at"], unique=False)
    op.create_index(
        "uq_refused_messages_message",
        "refused_messages",
        ["message_digest"],
        unique=True,
        postgresql_where=sa.text("message_digest IS NOT NULL"),
    )
    op.create_table(
        "sweeps",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sweeps")),
    )
    op.create_table(
        "switches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switches")),
        sa.UniqueConstraint("tenant", "kind", "key", name=op.f("uq_switches_tenant")),
    )
    op.create_table(
        "callbacks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"], name=op.f("fk_callbacks_endpoint_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.UniqueConstraint("endpoint_id", "command_id", "sequence", name=op.f("uq_callbacks_endpoint_id")),
    )
    op.create_index(
        "ix_callbacks_due",
        "callbacks",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )
    op.create_table(
        "consent_versions",
        sa.Column("consent_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("purposes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("actions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("apps", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name=op.f("fk_consent_versions_consent_id")),
        sa.PrimaryKeyConstraint("consent_id", "version", name=op.f("pk_consent_versions")),
    )
    op.create_table(
        "lanes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("patient_key", sa.LargeBinary(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.Column(
            "quarantine_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("'-infinity'"),
            nullable=False,
        ),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_lanes_connection_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lanes")),
        sa.UniqueConstraint("connection_id", "patient_key", name=op.f("uq_lanes_connection_id")),
    )
    op.create_table(
        "links",
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("root", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_links_connection_id")),
        sa.PrimaryKeyConstraint("connection_id", "reference", name=op.f("pk_links")),
    )
    op.create_index("ix_links_root", "links", ["root"], unique=False)
    op.create_table(
        "slots",
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.Column("lane_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_slots_connection_id")),
        sa.PrimaryKeyConstraint("connection_id", "no", name=op.f("pk_slots")),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("lane_id", sa.BigInteger(), nullable=False),
        sa.Column("lane_seq", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("root", sa.Uuid(), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column(
            "state_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("event_seq", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("spent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stumbles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consent_id", sa.BigInteger(), nullable=False),
        sa.Column("consent_version", sa.Integer(), nullable=False),
        sa.Column("switch_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("envelope_digest", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("approval_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("approval_digest", sa.LargeBinary(), nullable=True),
        sa.Column("approval_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("target_reference", sa.Text(), nullable=True),
        sa.Column("target_command", sa.Uuid(), nullable=True),
        sa.Column("after", sa.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("takes_back", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("author_digest", sa.LargeBinary(), nullable=False),
        sa.Column("author_assurance", sa.Text(), nullable=False),
        sa.Column("duplicate_key", sa.LargeBinary(), nullable=True),
        sa.Column("possible_duplicate_of", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('applied', 'awaiting_approval', 'compensated', 'conflicted', 'expired', 'in_review', 'incomplete', 'parked', 'pending_remote', 'ready', 'received', 'rejected', 'sending', 'superseded', 'unknown', 'verified', 'withdrawn')",
            name=op.f("ck_commands_state"),
        ),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_commands_connection_id")),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name=op.f("fk_commands_consent_id")),
        sa.ForeignKeyConstraint(["lane_id"], ["lanes.id"], name=op.f("fk_commands_lane_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint("lane_id", "lane_seq", name=op.f("uq_commands_lane_id")),
        sa.UniqueConstraint("tenant", "app", "key_hash", name="uq_commands_key"),
    )
    op.create_index(
        "ix_commands_consent_open",
        "commands",
        ["consent_id"],
        unique=False,
        postgresql_where=sa.text(
            "state IN ('applied', 'awaiting_approval', 'conflicted', 'in_review', 'incomplete', 'parked', 'pending_remote', 'ready', 'received', 'sending', 'unknown')"
        ),
    )
    op.create_index("ix_commands_correlation", "commands", ["tenant", "correlation_id"], unique=False)
    op.create_index(
        "ix_commands_deadline",
        "commands",
        ["not_after"],
        unique=False,
        postgresql_where=sa.text("state IN ('ready', 'parked', 'awaiting_approval')"),
    )
    op.create_index(
        "ix_commands_due",
        "commands",
        ["due_at", "lane_id"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_commands_duplicate",
        "commands",
        ["tenant", "duplicate_key"],
        unique=False,
        postgresql_where=sa.text("duplicate_key IS NOT NULL"),
    )
    op.create_index(
        "ix_commands_in_flight",
        "commands",
        ["lane_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('sending', 'unknown')"),
    )
    op.create_index(
        "ix_commands_open",
        "commands",
        ["lane_id", "lane_seq"],
        unique=False,
        postgresql_where=sa.text(
            "state IN ('applied', 'awaiting_approval', 'conflicted', 'in_review', 'incomplete', 'parked', 'pending_remote', 'ready', 'received', 'sending', 'unknown')"
        ),
    )
    op.create_index(
        "ix_commands_parked",
        "commands",
        ["connection_id"],
        unique=False,
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index("ix_commands_received", "commands", ["tenant", "received_at", "id"], unique=False)
    op.create_index("ix_commands_subject", "commands", ["lane_id", "subject", "lane_seq"], unique=False)
    op.create_index(
        "ix_commands_unproven",
        "commands",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'applied'"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("operation_seq", sa.Integer(), nullable=False),
        sa.Column("lane_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=True),
        sa.Column("precondition", sa.Text(), nullable=True),
        sa.Column("mapping_version", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("vendor_code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("answer_digest", sa.LargeBinary(), nullable=True),
        sa.Column("late_outcome", sa.Text(), nullable=True),
        sa.Column("late_status", sa.Integer(), nullable=True),
        sa.Column("late_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["command_id"], ["commands.id"], name=op.f("fk_attempts_command_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_command", "attempts", ["command_id"], unique=False)
    op.create_table(
        "cases",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["command_id"], ["commands.id"], name=op.f("fk_cases_command_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(
        "uq_cases_open",
        "cases",
        ["command_id", "kind"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "operations",
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("interaction", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("if_match", sa.Text(), nullable=True),
        sa.Column("if_none_exist", sa.Text(), nullable=True),
        sa.Column("mapping_version", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("version_written", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["command_id"], ["commands.id"], name=op.f("fk_operations_command_id")),
        sa.PrimaryKeyConstraint("command_id", "seq", name=op.f("pk_operations")),
    )
