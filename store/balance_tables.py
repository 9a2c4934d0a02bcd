"""The table of the daily balances: one row for each tenant and day of receipt. No queries, no content, no commands."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Index, PrimaryKeyConstraint, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import LONG_AGO, METADATA, NOW, text_column, time_column

#: ``sheets``: connection → counts by column, and how many commands fit nowhere by reason; as of ``counted_at``.
balance_days = Table(
    "balance_days",
    METADATA,
    text_column("tenant"),
    Column("day", Date, nullable=False),
    Column("sheets", JSONB, nullable=False, server_default=text("'{}'")),
    Column("closes", Boolean, nullable=False, server_default=text("true")),
    time_column("counted_at", nullable=False, default=LONG_AGO),
    time_column("next_at", nullable=False, default=NOW),
    PrimaryKeyConstraint("tenant", "day"),
    Index("ix_balance_days_due", "next_at"),
    Index("ix_balance_days_not_closed", "tenant", postgresql_where=text("NOT closes")),
)
