"""The balance of each tenant's days, kept; and the days of events, so that one day of them can be read alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "balance_days",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sheets", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("closes", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("'-infinity'")),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("tenant", "day", name="pk_balance_days"),
    )
    op.create_index("ix_balance_days_due", "balance_days", ["next_at"])
    op.create_index("ix_balance_days_not_closed", "balance_days", ["tenant"], postgresql_where=sa.text("NOT closes"))
    op.create_index("ix_events_at", "events", ["at"], postgresql_using="brin")
    op.create_index(
        "uq_cases_balance",
        "cases",
        ["connection_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL AND kind = 'balance_open'"),
    )
