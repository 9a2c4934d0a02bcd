"""What `writeback doctor` looks at, one line each: settings, database, Redis and every EHR. It changes nothing."""

from collections.abc import Callable, Iterator

import redis
from sqlalchemy.exc import SQLAlchemyError

from adapters import open_ehr
from canonical.errors import ConfigurationError, EhrUnavailableError
from canonical.ports import Check, ConnectionSettings
from config.connections import read_connections
from config.environment import read_settings
from config.migration import is_current
from config.notification_wiring import notification_proof
from config.policy_files import overdue, read_policies
from config.review_checks import review_checks
from config.session_budget import check_session_budget
from config.settings import Settings
from config.wiring import open_redis, utc_now
from store.database import check_durable, open_engine
from tasks.notification_proof import check_secret
from tasks.token_cache import read_token_keys


def checks() -> Iterator[Check]:
    """Yield each check as it is made; those that need a setting which is wrong are left out."""
    try:
        settings = read_settings()
    except ConfigurationError as error:
        yield Check(name="settings", ok=False, detail=str(error))
        return
    yield Check(name="settings", ok=True)
    yield _issuer(settings)
    yield from _database(settings)
    yield _redis(settings)
    if settings.token_key_file is not None:
        yield _passes("key of shared tokens", lambda: read_token_keys(settings.token_key_file))
    yield from _policies(settings)
    yield from review_checks(settings, utc_now().date())
    try:
        connections = read_connections(settings.connections_file)
    except ConfigurationError as error:
        yield Check(name="connections", ok=False, detail=str(error))
        return
    for connection in connections:
        if connection.notifications:
            yield _notifications(connection)
        yield from _ehr(connection)


def _issuer(settings: Settings) -> Check:
    detail = "" if settings.issuer else "Set WRITEBACK_ISSUER and WRITEBACK_JWKS_URL: no token can be checked."
    return Check(name="issuer of tokens", ok=bool(settings.issuer), detail=detail)


def _policies(settings: Settings) -> Iterator[Check]:
    try:
        policies = read_policies(settings.policies_dir)
    except ConfigurationError as error:
        yield Check(name="policies", ok=False, detail=str(error))
        return
    # A policy that nobody looked at in time still holds: it is told, and stops nothing.
    late = overdue(policies, utc_now().date())
    yield Check(name="policies", ok=True, detail=f"Overdue: {'; '.join(late)}." if late else "")


def _database(settings: Settings) -> Iterator[Check]:
    if not settings.database_url:
        yield Check(name="PostgreSQL", ok=False, detail="Set WRITEBACK_DATABASE_URL; 'writeback up' brings its own.")
        return
    engine = open_engine(settings.database_url, pool_size=1)
    try:
        with engine.connect():
            yield Check(name="PostgreSQL answers", ok=True)
        yield _passes("PostgreSQL keeps what it commits", lambda: check_durable(engine))
        yield _passes("PostgreSQL has sessions enough", lambda: check_session_budget(engine, settings))
        current = is_current(settings)
        yield Check(name="tables of this version", ok=current, detail="" if current else "Run 'writeback migrate'.")
    except SQLAlchemyError:
        detail = "It does not answer. Check WRITEBACK_DATABASE_URL and that the server runs; nothing can be accepted."
        yield Check(name="PostgreSQL answers", ok=False, detail=detail)
    finally:
        engine.dispose()


def _passes(name: str, check: Callable[[], object]) -> Check:
    try:
        check()
    except ConfigurationError as error:
        return Check(name=name, ok=False, detail=str(error))
    return Check(name=name, ok=True)


def _redis(settings: Settings) -> Check:
    if not settings.redis_url:
        return Check(name="Redis", ok=False, detail="Set WRITEBACK_REDIS_URL; 'writeback up' brings its own.")
    client = open_redis(settings)
    try:
        client.ping()
    except redis.RedisError:
        detail = "It does not answer. Writes go on by the poller; hints and the Celery door do not."
        return Check(name="Redis answers", ok=False, detail=detail)
    finally:
        client.close()
    return Check(name="Redis answers", ok=True)


def _notifications(connection: ConnectionSettings) -> Check:
    name = f"{connection.tenant}/{connection.name}: secret of its notifications"
    return _passes(name, lambda: check_secret(notification_proof(connection.notifications)))


def _ehr(connection: ConnectionSettings) -> Iterator[Check]:
    title = f"{connection.tenant}/{connection.name}"
    try:
        ehr = open_ehr(connection, clock=utc_now)
    except ConfigurationError as error:
        yield Check(name=title, ok=False, detail=str(error))
        return
    try:
        for check in ehr.check():
            yield Check(name=f"{title}: {check.name}", ok=check.ok, detail=check.detail)
    except EhrUnavailableError as error:
        yield Check(name=title, ok=False, detail=f"{error}. Nothing is lost: its commands wait until it answers.")
    finally:
        ehr.close()
