"""Indexes: what an EHR holds for its own staff, by how long; and refused messages by time, for all tenants at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_index(
        "ix_commands_pending_remote",
        "commands",
        ["state_since"],
        unique=False,
        postgresql_where=sa.text("state = 'pending_remote'"),
    )
    op.create_index("ix_refused_messages_recent", "refused_messages", ["refused_at"], unique=False)
