"""The tables of callbacks: where apps want to be told, and what each is told of. No queries, no clinical content."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from store.columns import LONG_AGO, METADATA, NOW, text_column, time_column

#: Where an app wants to be told; registered, never taken from an envelope.
endpoints = Table(
    "endpoints",
    METADATA,
    Column("id", Uuid, primary_key=True),
    text_column("tenant"),
    text_column("app"),
    text_column("url"),
    text_column("secret"),
    time_column("created_at", nullable=False, default=NOW),
    time_column("failing_since"),
    time_column("trying_until", nullable=False, default=LONG_AGO),
    time_column("disabled_at"),
    # Whether its app shows what it is told to the author, so that what it took was seen.
    Column("shows_author", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("tenant", "app", "url", name="uq_endpoints_url"),
)

callbacks = Table(
    "callbacks",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("endpoint_id", Uuid, ForeignKey("endpoints.id"), nullable=False),
    Column("command_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    text_column("status"),
    text_column("state"),
    text_column("reason"),
    time_column("created_at", nullable=False, default=NOW),
    time_column("due_at", nullable=False, default=NOW),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_status", Integer),
    time_column("delivered_at"),
    time_column("given_up_at"),
    UniqueConstraint("endpoint_id", "command_id", "sequence"),
    Index("ix_callbacks_due", "due_at", postgresql_where=text("delivered_at IS NULL AND given_up_at IS NULL")),
)
