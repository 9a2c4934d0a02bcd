"""What an operator's command needs of the service: the store alone, without EHRs, Redis or Celery."""

from collections.abc import Iterator
from contextlib import contextmanager

from canonical.errors import ConfigurationError
from config.settings import Settings
from store.database import open_engine
from store.doors import Doors


@contextmanager
def open_doors(settings: Settings) -> Iterator[Doors]:
    """Give the store as the HTTP doors see it, and close it again.

    Raises ``ConfigurationError`` when no database is named; what is read raises ``StoreUnavailableError``.
    """
    if not settings.database_url:
        raise ConfigurationError("WRITEBACK_DATABASE_URL is empty: name the service's database.")
    engine = open_engine(settings.database_url, pool_size=1)
    try:
        yield Doors(engine)
    finally:
        engine.dispose()
