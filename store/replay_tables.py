"""The tables of replays: who wished what to be sent again, and what became of each item. No queries, no clinical content."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from canonical.replay import ItemState, Mode, ReplayState
from store.columns import LONG_AGO, METADATA, NOW, text_column, time_column


def _of(column: str, kind: type[ReplayState | Mode | ItemState]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(item.value) for item in sorted(kind))})", name=column)


replays = Table(
    "replays",
    METADATA,
    Column("id", Uuid, primary_key=True),
    text_column("tenant"),
    text_column("person"),
    text_column("reason"),
    Column("selection", JSONB, nullable=False),
    text_column("mode"),
    Column("batch", Integer, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    text_column("state"),
    time_column("created_at", nullable=False, default=NOW),
    time_column("changed_at", nullable=False, default=NOW),
    _of("state", ReplayState),
    _of("mode", Mode),
    # What is to be advanced: a sweep costs what is running.
    Index("ix_replays_running", "created_at", postgresql_where=text("state = 'running'")),
)

replay_items = Table(
    "replay_items",
    METADATA,
    Column("replay_id", Uuid, ForeignKey("replays.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    text_column("tenant"),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    text_column("state"),
    time_column("due_at", nullable=False, default=LONG_AGO),
    time_column("begun_at"),
    time_column("over_at"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("waits_for", Text, nullable=False, server_default=""),
    text_column("result", nullable=True),
    Column("why", Text, nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
    Column("bytes", Text, nullable=False, server_default=""),
    text_column("mapping_pinned", nullable=True),
    text_column("mapping_now", nullable=True),
    text_column("stored_digest", nullable=True),
    text_column("planned_digest", nullable=True),
    Column("changed", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("new_command", Uuid),
    Column("case_id", BigInteger),
    _of("state", ItemState),
    PrimaryKeyConstraint("replay_id", "seq"),
    UniqueConstraint("replay_id", "command_id", name="uq_replay_items_command"),
    Index("ix_replay_items_left", "replay_id", "seq", postgresql_where=text("state <> 'over'")),
    # What was begun at one EHR within the minute.
    Index("ix_replay_items_begun", "connection_id", "begun_at", postgresql_where=text("begun_at IS NOT NULL")),
    Index("ix_replay_items_over", "over_at", postgresql_where=text("over_at IS NOT NULL")),
)
