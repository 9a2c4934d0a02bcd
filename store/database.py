"""Connecting to PostgreSQL: the pooled engine, the dedicated lane session, and the durability the promises need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from canonical.errors import ConfigurationError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg.rows import DictRow

#: A dead peer must free its session soon, and nobody may hold a lock while idle in a transaction.
CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c statement_timeout=10s -c lock_timeout=3s -c idle_in_transaction_session_timeout=15s -c timezone=UTC",
}
#: Without these an accepted command or a claim may vanish in a crash.
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": ("on", "remote_apply", "remote_write"),
}


def open_engine(url: str, *, pool_size: int = 8) -> Engine:
    """Return an engine on ``url`` with ``pool_size`` connections (count) and no overflow."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args=CONNECT_ARGS,
    )


def open_session(url: str) -> psycopg.Connection[DictRow]:
    """Return one autocommit connection outside any pool, for a lane's session lock; rows are dicts.

    It must reach PostgreSQL directly: a transaction-pooling proxy would lose the lock between two statements.
    """
    parts = make_url(url)
    query = {name: value for name, value in parts.query.items() if isinstance(value, str)}
    arguments: dict[str, Any] = {
        "host": parts.host,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "dbname": parts.database,
        **query,
        **CONNECT_ARGS,
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    return psycopg.connect(autocommit=True, row_factory=dict_row, **given)


def check_durable(engine: Engine) -> None:
    """Pass only if a commit survives a crash of the database.

    Raises :class:`ConfigurationError` naming the setting: accept no command until it is corrected.
    """
    with engine.connect() as connection:
        for name, wanted in DURABLE.items():
            value = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            if value != wanted and value not in wanted:
                msg = f"PostgreSQL runs with {name} = {value}: an accepted command could be lost. Set it to on."
                raise ConfigurationError(msg)


def rows(connection: psycopg.Connection[Any], sql: str, parameters: Mapping[str, Any] | None = None) -> list[DictRow]:
    """Run one statement with named parameters (``%(name)s``) and return its rows as dicts."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(sql.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def transaction(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """Yield a pooled connection inside one transaction: committed at the end, rolled back on an error.

    Raises :class:`StoreUnavailableError` when PostgreSQL cannot be reached: nothing was accepted, ask again later.
    """
    try:
        with engine.begin() as connection:
            yield cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    except (psycopg.OperationalError, OperationalError, PoolTimeout) as error:
        raise StoreUnavailableError from error
