"""What apps must acknowledge: one row for each command of which an author must learn, and apps that show what they are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_OPEN = "acknowledged_at IS NULL"


def upgrade() -> None:
    """Apply the step. Of what ended, or waits, before it nothing is owed: nobody was told that it would be."""
    op.create_table(
        "acknowledgement_terms",
        sa.Column("severity", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("within", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint("severity", name="pk_acknowledgement_terms"),
    )
    op.create_table(
        "acknowledgements",
        sa.Column("command_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("tenant", "app")),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("owed_at", "due_at")),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("acknowledged_by", "how", "seen_by", "fallback")),
        sa.Column("fallback_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("command_id", name="pk_acknowledgements"),
        sa.ForeignKeyConstraint(["command_id"], ["commands.id"], name="fk_acknowledgements_command_id"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_acknowledgements_connection_id"),
        sa.ForeignKeyConstraint(["message_id"], ["commands.id"], name="fk_acknowledgements_message_id"),
    )
    for name, column, where in (
        ("due", "due_at", f"{_OPEN} AND fallback_at IS NULL"),
        ("open", "owed_at", _OPEN),
        ("message", "message_id", f"message_id IS NOT NULL AND {_OPEN}"),
    ):
        op.create_index(f"ix_acknowledgements_{name}", "acknowledgements", [column], postgresql_where=sa.text(where))
    op.add_column("endpoints", sa.Column("shows_author", sa.Boolean(), server_default=sa.text("false"), nullable=False))
