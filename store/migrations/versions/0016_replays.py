"""Sending commands again: replays, their items, and which command was given in place of which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_NO_EFFECT = "'expired', 'rejected', 'superseded', 'withdrawn'"


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable, server_default=default)


def _time(name: str, *, default: str | None = None) -> sa.Column[object]:
    told = sa.text(default) if default is not None else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=default is None, server_default=told)


def upgrade() -> None:
    """Apply the step."""
    op.add_column("commands", sa.Column("replay_of", sa.Uuid()))
    op.add_column("commands", sa.Column("sends_stored_of", sa.Uuid()))
    given = "replay_of IS NOT NULL"
    op.create_index("ix_commands_replays", "commands", ["replay_of"], postgresql_where=sa.text(given))
    op.create_index(
        "uq_commands_living_replay",
        "commands",
        ["replay_of"],
        unique=True,
        postgresql_where=sa.text(f"{given} AND state NOT IN ({_NO_EFFECT})"),
    )
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid(), primary_key=True),
        *(_text(name) for name in ("tenant", "person", "reason")),
        sa.Column("selection", JSONB(), nullable=False),
        _text("mode"),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        _text("state"),
        _time("created_at", default="clock_timestamp()"),
        _time("changed_at", default="clock_timestamp()"),
        sa.CheckConstraint("state IN ('cancelled', 'done', 'draft', 'paused', 'running')", name="state"),
        sa.CheckConstraint("mode IN ('pinned', 'regenerated', 'stored')", name="mode"),
    )
    op.create_index("ix_replays_running", "replays", ["created_at"], postgresql_where=sa.text("state = 'running'"))
    op.create_table(
        "replay_items",
        sa.Column("replay_id", sa.Uuid(), sa.ForeignKey("replays.id"), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        _text("tenant"),
        sa.Column("command_id", sa.Uuid(), sa.ForeignKey("commands.id"), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), sa.ForeignKey("connections.id"), nullable=False),
        _text("state"),
        _time("due_at", default="'-infinity'"),
        _time("begun_at"),
        _time("over_at"),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        _text("waits_for", default=""),
        _text("result", nullable=True),
        *(_text(name, default="") for name in ("why", "error", "bytes")),
        *(_text(name, nullable=True) for name in ("mapping_pinned", "mapping_now", "stored_digest", "planned_digest")),
        sa.Column("changed", sa.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("new_command", sa.Uuid()),
        sa.Column("case_id", sa.BigInteger()),
        sa.CheckConstraint("state IN ('begun', 'over', 'pending')", name="state"),
        sa.PrimaryKeyConstraint("replay_id", "seq"),
        sa.UniqueConstraint("replay_id", "command_id", name="uq_replay_items_command"),
    )
    op.create_index(
        "ix_replay_items_left", "replay_items", ["replay_id", "seq"], postgresql_where=sa.text("state <> 'over'")
    )
    op.create_index(
        "ix_replay_items_begun",
        "replay_items",
        ["connection_id", "begun_at"],
        postgresql_where=sa.text("begun_at IS NOT NULL"),
    )
    op.create_index(
        "ix_replay_items_over", "replay_items", ["over_at"], postgresql_where=sa.text("over_at IS NOT NULL")
    )
