"""Bringing the database to this version, and saying which version it is at; no table is named here."""

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from canonical.errors import ConfigurationError, StoreUnavailableError
from config.settings import Settings
from store.migrate import alembic_config, upgrade


def migrate(settings: Settings) -> None:
    """Run the steps that the database lacks; safe when several processes start at once.

    Raises ``ConfigurationError`` when no database is named and ``StoreUnavailableError`` when it does not answer or
    refuses a step: the steps before it stand, the refused one left nothing behind.
    """
    if not settings.database_url:
        raise ConfigurationError("WRITEBACK_DATABASE_URL is empty: there is no database to bring up to date.")
    try:
        upgrade(settings.database_url)
    except SQLAlchemyError as error:
        raise StoreUnavailableError(
            "The database does not answer or refuses a step; whatever was done before that step stands. "
            "Check WRITEBACK_DATABASE_URL and that its user owns the tables, then run it again."
        ) from error


def is_current(settings: Settings) -> bool:
    """Return whether the database is at this version's tables; raises what the driver raises."""
    engine = create_engine(make_url(settings.database_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return revision == ScriptDirectory.from_config(alembic_config()).get_current_head()
