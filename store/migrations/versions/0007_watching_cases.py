"""Watching the queue: when the chart of a conflict is looked at again, when a case goes up, when its alert was over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_cases_not_up", ["due_at"], "closed_at IS NULL AND up_at IS NULL"),
    ("ix_cases_up", ["up_at"], "closed_at IS NULL AND up_at IS NOT NULL"),
    ("ix_cases_to_look", ["next_look_at"], "closed_at IS NULL AND kind = 'conflict'"),
    ("ix_cases_unalerted", ["severity", "due_at"], "closed_at IS NULL AND alerted_at IS NULL"),
    ("ix_cases_alerts", ["closed_at"], "alerted_at IS NOT NULL AND alert_over_at IS NULL"),
)


def upgrade() -> None:
    """Apply the step."""
    op.add_column("cases", sa.Column("alert_over_at", sa.DateTime(timezone=True)))
    op.add_column("cases", sa.Column("up_at", sa.DateTime(timezone=True)))
    never = sa.text("'-infinity'")
    op.add_column("cases", sa.Column("next_look_at", sa.DateTime(timezone=True), server_default=never, nullable=False))
    for name, columns, where in _INDEXES:
        op.create_index(name, "cases", columns, postgresql_where=sa.text(where))
