"""What the report after an incident needs: the record and the EHRs, not Redis nor Celery. Importing it builds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from adapters import open_ehr
from canonical.errors import ConfigurationError
from config.connections import read_connections
from config.ehrs import Ehrs
from config.settings import Settings
from reconcile.incident_report import IncidentReports
from store.database import open_engine
from store.incidents import StoredIncidents


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def open_reports(settings: Settings) -> Iterator[IncidentReports]:
    """Give what makes reports, and close the database and the EHRs again.

    Raises ``ConfigurationError`` naming the setting to correct; what is read raises ``StoreUnavailableError``.
    """
    if not settings.database_url:
        raise ConfigurationError("WRITEBACK_DATABASE_URL is empty: name the service's database.")
    known = {(item.tenant, item.name): item for item in read_connections(settings.connections_file)}
    ehrs = Ehrs(known, open_ehr)
    engine = open_engine(settings.database_url, pool_size=1)
    try:
        yield IncidentReports(records=StoredIncidents(engine), ehrs=ehrs, clock=_now)
    finally:
        ehrs.close()
        engine.dispose()
