"""Bringing a database to the tables of this version; safe when several processes start at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text

#: Any number will do, as long as every process takes the same: "writeback" on a telephone's keys.
_MIGRATION_LOCK = 974832225


def alembic_config() -> Config:
    """Return Alembic's configuration, which needs no file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(url: str) -> None:
    """Run the missing steps on ``url`` (SQLAlchemy), one process at a time.

    Raises what the database raises; every step is one transaction, so a failed one leaves nothing behind.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    config = alembic_config()
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
            try:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
                connection.commit()
    finally:
        engine.dispose()
