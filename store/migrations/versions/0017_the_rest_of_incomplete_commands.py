"""How often a machine sent the rest of an incomplete command, and why it does not any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("commands", sa.Column("rest_tries", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("commands", sa.Column("rest_left", sa.Text()))
    op.add_column("commands", sa.Column("rest_left_who", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_commands_incomplete_due",
        "commands",
        ["due_at"],
        postgresql_where=sa.text("state = 'incomplete' AND rest_left IS NULL"),
    )
