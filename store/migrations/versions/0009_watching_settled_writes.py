"""Watching settled writes: when each is looked at again, what looks have shown, and one incident for each connection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

_NEVER, _NOW = sa.text("'-infinity'"), sa.text("clock_timestamp()")
#: What was proven before is looked at within a week, not all at once. Which actions are of high risk is in no table yet:
#: those of this version are named here.
_FILL = """
INSERT INTO watched_writes (command_id, tenant, connection_id, high_risk, proven_at, next_look_at)
SELECT id, tenant, connection_id,
       action_type IN ('AllergyUpdate', 'MedicationChange', 'MedicationReconciliation', 'ProblemUpdate'), state_since,
       clock_timestamp() + random() * interval '7 days'
  FROM commands WHERE state = 'verified'
"""


def _time(name: str, *, nullable: bool = False, default: sa.TextClause | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _connection(*, primary_key: bool = False) -> sa.Column[object]:
    name = sa.ForeignKey("connections.id")
    return sa.Column("connection_id", sa.BigInteger(), name, primary_key=primary_key, nullable=False)


def _command(*, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column("command_id", sa.Uuid(), sa.ForeignKey("commands.id"), primary_key=primary_key, nullable=False)


def _tenant() -> sa.Column[object]:
    return sa.Column("tenant", sa.Text(), nullable=False)


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "watched_writes",
        _command(primary_key=True),
        _tenant(),
        _connection(),
        sa.Column("high_risk", sa.Boolean(), nullable=False),
        _time("proven_at", default=_NOW),
        sa.Column("step", sa.SmallInteger(), server_default="0", nullable=False),
        _time("next_look_at", nullable=True),
        _time("offered_until", default=_NEVER),
        _time("seen_at", default=_NOW),
    )
    op.create_table(
        "drift_baselines",
        _command(),
        sa.Column("operation_seq", sa.Integer(), nullable=False),
        _tenant(),
        sa.Column("version", sa.Text()),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        _time("at", default=_NOW),
        sa.PrimaryKeyConstraint("command_id", "operation_seq"),
    )
    op.create_table(
        "drift_findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        _tenant(),
        _connection(),
        _command(),
        sa.Column("finding", sa.Text(), nullable=False),
        _time("at", default=_NOW),
    )
    op.create_table(
        "drift_tallies",
        _connection(),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        _tenant(),
        sa.Column("looks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "day", "finding"),
    )
    op.create_table(
        "drift_budgets",
        _connection(primary_key=True),
        _tenant(),
        _time("since", default=_NEVER),
        sa.Column("taken", sa.Integer(), server_default="0", nullable=False),
    )
    op.execute(_FILL)
    due = ["connection_id", "high_risk", "next_look_at"]
    op.create_index(
        "ix_watched_writes_due", "watched_writes", due, postgresql_where=sa.text("next_look_at IS NOT NULL")
    )
    op.create_index("ix_drift_findings_recent", "drift_findings", ["connection_id", "at"])
    op.create_index(
        "uq_cases_drift_incident",
        "cases",
        ["connection_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL AND kind = 'drift_incident'"),
    )
