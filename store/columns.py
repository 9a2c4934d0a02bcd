"""What every table is made of: the metadata with its naming, and the usual columns. No table of its own."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Text, TextClause, text

from canonical.lifecycle import OPEN, State

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
LONG_AGO = text("'-infinity'")
NOW = text("clock_timestamp()")


def time_column(name: str, *, nullable: bool = True, default: TextClause | None = None) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def text_column(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Text, nullable=nullable)


def unindexed(state: str) -> str:
    """Return the column ``state`` so that no partial index over states offers itself: the rows are found by something else."""
    return f"coalesce({state}, '')"


def open_and(condition: str, state: str = "state") -> str:
    """Return the SQL of an open command (column ``state``) that is in the one state of ``condition`` (``= '…'``).

    For questions about one lane: they find their rows by what is open there, and by no index of that state in all lanes.
    """
    return f"{state} IN ({listed(OPEN)}) AND {unindexed(state)} {condition}"


def listed(states: frozenset[State]) -> str:
    """Return states as the inside of an SQL ``IN ( )``."""
    return ", ".join(f"'{state}'" for state in sorted(states))


#: What is open, in words that only the index of consents knows: to every other question about what is open, that index would
#: look as good as the right one.
OPEN_UNDER_CONSENT = f"lower(state) IN ({listed(OPEN)})"
