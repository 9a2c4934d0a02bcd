"""Hearing of changes: notifications by event, entries to be read for them, and systems that undo each other's writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
#: The states that were open when this step was written.
_OPEN_TARGETS = sa.text(
    "target_reference IS NOT NULL AND state IN ('applied', 'awaiting_approval', 'conflicted', 'in_review', 'incomplete',"
    " 'parked', 'pending_remote', 'ready', 'received', 'sending', 'unknown')"
)


def _connection() -> sa.Column[object]:
    return sa.Column("connection_id", sa.BigInteger(), sa.ForeignKey("connections.id"), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=_NOW, nullable=False)


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "notification_streams",
        _connection(),
        _text("subscription"),
        _text("tenant"),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("highest", sa.BigInteger()),
        sa.Column("missed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("missing", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("gap_at", sa.DateTime(timezone=True)),
        _text("gap_after", nullable=True),
        sa.PrimaryKeyConstraint("connection_id", "subscription"),
    )
    op.create_table(
        "notified_events",
        _connection(),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        _text("tenant"),
        _time("at"),
        sa.PrimaryKeyConstraint("connection_id", "identity"),
    )
    op.create_table(
        "touched_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        _connection(),
        _text("tenant"),
        _text("reference"),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("notices", sa.Integer(), server_default="1", nullable=False),
        _time("due_at"),
        sa.UniqueConstraint("connection_id", "reference"),
    )
    op.create_table(
        "notification_tallies",
        _connection(),
        sa.Column("day", sa.Date(), nullable=False),
        _text("result"),
        _text("tenant"),
        sa.Column("many", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "day", "result"),
    )
    op.create_table(
        "undone_writes",
        sa.Column("command_id", sa.Uuid(), sa.ForeignKey("commands.id"), nullable=False),
        _text("reference"),
        _text("tenant"),
        _connection(),
        _text("app"),
        _time("at"),
        sa.PrimaryKeyConstraint("command_id", "reference"),
    )
    op.create_table(
        "write_loops",
        sa.Column("case_id", sa.BigInteger(), sa.ForeignKey("cases.id"), primary_key=True),
        _text("tenant"),
        sa.Column("lane_id", sa.BigInteger(), sa.ForeignKey("lanes.id"), nullable=False),
        _text("subject"),
        _text("app"),
    )
    _index()


def _index() -> None:
    gaps, named = sa.text("gap_after IS NOT NULL"), sa.text("named")
    op.create_index("ix_notification_streams_gaps", "notification_streams", ["connection_id"], postgresql_where=gaps)
    op.create_index("ix_notified_events_at", "notified_events", ["at"])
    due = ["connection_id", "due_at"]
    op.create_index("ix_touched_entries_named", "touched_entries", due, postgresql_where=named)
    op.create_index("ix_touched_entries_missed", "touched_entries", due, postgresql_where=sa.text("NOT named"))
    op.create_index("ix_undone_writes_recent", "undone_writes", ["connection_id", "reference", "at"])
    op.create_index("ix_write_loops_subject", "write_loops", ["lane_id", "subject", "app"])
    targets = ["connection_id", "target_reference"]
    op.create_index("ix_commands_open_targets", "commands", targets, postgresql_where=_OPEN_TARGETS)
