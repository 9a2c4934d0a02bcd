"""The tables of notifications: what was heard, which entries are to be read for it, and who undoes whose writes. No content."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from store.columns import METADATA, NOW, text_column, time_column

#: One subscription of a connection, since its last handshake: the highest number heard, and how many were never heard.
notification_streams = Table(
    "notification_streams",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    text_column("subscription"),
    text_column("tenant"),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("highest", BigInteger),
    Column("missed", BigInteger, nullable=False, server_default="0"),
    # Of those never heard, how many may still come; since when; and the last entry that was put down to be read for them.
    Column("missing", BigInteger, nullable=False, server_default="0"),
    time_column("gap_at"),
    text_column("gap_after", nullable=True),
    PrimaryKeyConstraint("connection_id", "subscription"),
    Index("ix_notification_streams_gaps", "connection_id", postgresql_where=text("gap_after IS NOT NULL")),
)

#: What was heard before, by digest: a repeat is known by it for some days.
notified_events = Table(
    "notified_events",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("identity", LargeBinary, nullable=False),
    text_column("tenant"),
    time_column("at", nullable=False, default=NOW),
    PrimaryKeyConstraint("connection_id", "identity"),
    Index("ix_notified_events_at", "at"),
)

#: Entries to be read: a row goes when its look is done. ``notices`` tells a look whether more was heard meanwhile;
#: ``named`` by a notification, else put down because numbers were missed.
touched_entries = Table(
    "touched_entries",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    text_column("tenant"),
    text_column("reference"),
    Column("named", Boolean, nullable=False),
    Column("notices", Integer, nullable=False, server_default="1"),
    time_column("due_at", nullable=False, default=NOW),
    UniqueConstraint("connection_id", "reference"),
    Index("ix_touched_entries_named", "connection_id", "due_at", postgresql_where=text("named")),
    Index("ix_touched_entries_missed", "connection_id", "due_at", postgresql_where=text("NOT named")),
)

#: Notifications and looks by connection, day (UTC) and what they came to.
notification_tallies = Table(
    "notification_tallies",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("day", Date, nullable=False),
    text_column("result"),
    text_column("tenant"),
    Column("many", BigInteger, nullable=False),
    PrimaryKeyConstraint("connection_id", "day", "result"),
)

#: Writes of ours that somebody else was seen to undo.
undone_writes = Table(
    "undone_writes",
    METADATA,
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    text_column("reference"),
    text_column("tenant"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    text_column("app"),
    time_column("at", nullable=False, default=NOW),
    PrimaryKeyConstraint("command_id", "reference"),
    Index("ix_undone_writes_recent", "connection_id", "reference", "at"),
)

#: Two systems that undo each other's writes: while its case is open, the app's writes to that subject wait.
write_loops = Table(
    "write_loops",
    METADATA,
    Column("case_id", BigInteger, ForeignKey("cases.id"), primary_key=True),
    text_column("tenant"),
    Column("lane_id", BigInteger, ForeignKey("lanes.id"), nullable=False),
    text_column("subject"),
    text_column("app"),
    Index("ix_write_loops_subject", "lane_id", "subject", "app"),
)
