"""The tables of the drift watch: which settled writes are looked at when, and what looks have shown. No queries, no content."""

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
    SmallInteger,
    Table,
    Uuid,
    text,
)

from store.columns import LONG_AGO, METADATA, NOW, text_column, time_column

#: One row for each write that was ever proven; with no time to look at it, it is not looked at any more.
watched_writes = Table(
    "watched_writes",
    METADATA,
    Column("command_id", Uuid, ForeignKey("commands.id"), primary_key=True),
    text_column("tenant"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("high_risk", Boolean, nullable=False),
    time_column("proven_at", nullable=False, default=NOW),
    Column("step", SmallInteger, nullable=False, server_default="0"),
    time_column("next_look_at"),
    time_column("offered_until", nullable=False, default=LONG_AGO),
    time_column("seen_at", nullable=False, default=NOW),
    # What is due is one range of it for each connection and risk: a sweep costs what is due, not what was ever written.
    Index(
        "ix_watched_writes_due",
        *("connection_id", "high_risk", "next_look_at"),
        postgresql_where=text("next_look_at IS NOT NULL"),
    ),
)

#: What the chart said of an entry when a look differed; with ``accepted``, later looks compare with it.
drift_baselines = Table(
    "drift_baselines",
    METADATA,
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    Column("operation_seq", Integer, nullable=False),
    text_column("tenant"),
    text_column("version", nullable=True),
    Column("digest", LargeBinary, nullable=False),
    Column("accepted", Boolean, nullable=False),
    time_column("at", nullable=False, default=NOW),
    PrimaryKeyConstraint("command_id", "operation_seq"),
)

#: Every look that a person had to hear of.
drift_findings = Table(
    "drift_findings",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    text_column("tenant"),
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("command_id", Uuid, ForeignKey("commands.id"), nullable=False),
    text_column("finding"),
    time_column("at", nullable=False, default=NOW),
    Index("ix_drift_findings_recent", "connection_id", "at"),
)

#: Looks by connection, day (UTC) and what they showed.
drift_tallies = Table(
    "drift_tallies",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), nullable=False),
    Column("day", Date, nullable=False),
    text_column("finding"),
    text_column("tenant"),
    Column("looks", BigInteger, nullable=False),
    PrimaryKeyConstraint("connection_id", "day", "finding"),
)

#: How many looks a connection was asked for in the minute since; whoever changes it holds the connection's drift watch.
drift_budgets = Table(
    "drift_budgets",
    METADATA,
    Column("connection_id", BigInteger, ForeignKey("connections.id"), primary_key=True),
    text_column("tenant"),
    time_column("since", nullable=False, default=LONG_AGO),
    Column("taken", Integer, nullable=False, server_default="0"),
)
