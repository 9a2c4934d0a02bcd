"""The tables of what apps owe: to confirm that an author saw what became of a command. No queries, no content."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Interval, SmallInteger, Table, Uuid, text

from store.columns import METADATA, text_column, time_column

#: At most one row for a command, made by the move that makes it owed and gone with the move that ends that.
acknowledgements = Table(
    "acknowledgements",
    METADATA,
    Column("command_id", Uuid, ForeignKey("commands.id"), primary_key=True),
    text_column("tenant"),
    text_column("app"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    time_column("owed_at", nullable=False),
    time_column("due_at", nullable=False),
    time_column("acknowledged_at"),
    text_column("acknowledged_by", nullable=True),
    text_column("how", nullable=True),
    text_column("seen_by", nullable=True),
    text_column("fallback", nullable=True),
    time_column("fallback_at"),
    Column("message_id", Uuid, ForeignKey("commands.id")),
    # A sweep costs what is due, not what was ever owed.
    Index(
        "ix_acknowledgements_due",
        "due_at",
        postgresql_where=text("acknowledged_at IS NULL AND fallback_at IS NULL"),
    ),
    Index("ix_acknowledgements_open", "owed_at", postgresql_where=text("acknowledged_at IS NULL")),
    Index(
        "ix_acknowledgements_message",
        "message_id",
        postgresql_where=text("message_id IS NOT NULL AND acknowledged_at IS NULL"),
    ),
)

#: How long an app may take, by severity; a copy of the policy that is in force, for the statements that move commands.
acknowledgement_terms = Table(
    "acknowledgement_terms",
    METADATA,
    Column("severity", SmallInteger, primary_key=True, autoincrement=False),
    Column("within", Interval, nullable=False),
)
