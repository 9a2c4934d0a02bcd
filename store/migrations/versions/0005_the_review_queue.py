"""The review queue: whose a case is and by when, what its reviewers saw, what they decided, and what was decided to send."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CASES: tuple[sa.Column[Any], ...] = (
    sa.Column("connection_id", sa.BigInteger()),
    sa.Column("action_type", sa.Text()),
    sa.Column("pool", sa.Text()),
    sa.Column("holds", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
    sa.Column("level", sa.SmallInteger(), server_default="0", nullable=False),
    sa.Column("rounds", sa.SmallInteger(), server_default="0", nullable=False),
    sa.Column("version", sa.Integer(), server_default="0", nullable=False),
    sa.Column("claimed_by", sa.Text()),
    sa.Column("claimed_name", sa.Text()),
    sa.Column("claimed_until", sa.DateTime(timezone=True)),
    sa.Column("first_look_at", sa.DateTime(timezone=True)),
    sa.Column("asked_until", sa.DateTime(timezone=True)),
    sa.Column("alerted_at", sa.DateTime(timezone=True)),
    sa.Column("closed_reason", sa.Text()),
    sa.Column("closed_by", sa.Text()),
)
#: Cases from before: of what kind they are is known, and their commands still wait for them or went on.
_FILL = """
UPDATE cases k SET connection_id = c.connection_id, action_type = c.action_type, pool = 'clinical',
       due_at = k.opened_at + interval '1 day',
       holds = c.state IN ('awaiting_approval', 'incomplete', 'conflicted', 'in_review')
  FROM commands c WHERE c.id = k.command_id
"""
_OPEN = sa.text("closed_at IS NULL")
_APPEND_ONLY = (
    "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON decisions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    "ALTER TABLE decisions ENABLE ALWAYS TRIGGER append_only",
    "ALTER TABLE decisions ENABLE ALWAYS TRIGGER append_only_truncate",
)


def upgrade() -> None:
    """Apply the step."""
    op.add_column("commands", sa.Column("approval_payload", sa.LargeBinary()))
    op.add_column("commands", sa.Column("decided_digest", sa.LargeBinary()))
    op.add_column("commands", sa.Column("decided_attempts", sa.Integer()))
    for column in _CASES:
        op.add_column("cases", column)
    op.execute(_FILL)
    for name in ("connection_id", "action_type", "pool"):
        op.alter_column("cases", name, nullable=False)
    queue = ["tenant", "pool", "severity", "due_at", "id"]
    op.create_index("ix_cases_queue", "cases", queue, postgresql_where=_OPEN)
    op.create_index("ix_cases_due", "cases", ["due_at"], postgresql_where=_OPEN)
    asked = sa.text("closed_at IS NULL AND asked_until IS NOT NULL")
    op.create_index("ix_cases_asked", "cases", ["asked_until"], postgresql_where=asked)
    op.create_index("ix_cases_command", "cases", ["command_id"])
    closed = sa.text("closed_at IS NOT NULL")
    op.create_index("ix_cases_closed", "cases", ["tenant", "closed_at"], postgresql_where=closed)
    op.create_table(
        "case_terms",
        sa.Column("severity", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("within", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint("severity", name="pk_case_terms"),
    )
    _views()
    _decisions()


def _views() -> None:
    op.create_table(
        "case_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("shown_to", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("chart_digest", sa.LargeBinary(), nullable=False),
        sa.Column("base_version", sa.Text()),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_views"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_views_case_id"),
    )
    op.create_index("ix_case_views_case", "case_views", ["case_id"])


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("case_id", sa.BigInteger(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("view_id", sa.Uuid()),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("licences", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary()),
        sa.Column("envelope_digest", sa.LargeBinary()),
        sa.Column("payload_digest", sa.LargeBinary()),
        sa.Column("base_version", sa.Text()),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True)),
        sa.Column("changed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_decisions_case_id"),
        sa.ForeignKeyConstraint(["command_id"], ["commands.id"], name="fk_decisions_command_id"),
        sa.ForeignKeyConstraint(["view_id"], ["case_views.id"], name="fk_decisions_view_id"),
        sa.UniqueConstraint("view_id", "stage", name="uq_decisions_view"),
    )
    op.create_index("ix_decisions_case", "decisions", ["case_id"])
    op.create_index("ix_decisions_command", "decisions", ["command_id"])
    op.create_index("ix_decisions_at", "decisions", ["tenant", "at"])
    for statement in _APPEND_ONLY:
        op.execute(statement)
