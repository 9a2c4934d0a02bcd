"""What the EHR's own staff must accept: asked for by connection, and one digest of the cases for each connection and day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_WAITING = sa.text("state = 'pending_remote'")


def upgrade() -> None:
    """Apply the step."""
    op.drop_index("ix_commands_pending_remote", table_name="commands")
    for name, column in (("since", "state_since"), ("due", "due_at")):
        columns = ["connection_id", column]
        op.create_index(f"ix_commands_waiting_{name}", "commands", columns, postgresql_where=_WAITING)
    op.add_column("cases", sa.Column("digest_day", sa.Date(), nullable=True))
    op.create_index(
        "ix_cases_digest",
        "cases",
        ["connection_id", "digest_day", "kind", "severity", "due_at", "id"],
        postgresql_where=sa.text("digest_day IS NOT NULL"),
    )
    # Those that are open already are gathered by the day on which they were opened.
    op.execute(
        "UPDATE cases SET digest_day = (opened_at AT TIME ZONE 'UTC')::date"
        " WHERE kind = 'time_box_ended' AND closed_at IS NULL"
    )
