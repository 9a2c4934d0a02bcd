"""Real servers for the tests: one PostgreSQL and one Valkey a session, an empty database a test; no fakes."""

import shutil
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from processes.free_port import free_port as find_free_port
from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer
from store.migrate import upgrade

pytest_plugins = ["tests.browser"]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One durable server, on its socket (`url`) and on TCP, where a proxy can stand before it (`tcp_url`)."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), port=find_free_port())
    with server:
        yield server
    shutil.rmtree(server.cluster.files)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: ValkeyServer) -> str:
    """A Valkey with nothing in it; it was started again if the test before killed it."""
    valkey_server.start()
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy URL of a database of the test's own, without any table, owned by the user `writeback`."""
    yield from _own_database(postgres_server)


def _own_database(postgres_server: PostgresServer, template: str = "") -> Iterator[str]:
    postgres_server.start()
    name = f"test_{uuid4().hex}"
    admin = make_url(postgres_server.admin_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" OWNER writeback {template}'.encode())
    yield make_url(postgres_server.url).set(database=name).render_as_string(hide_password=False)
    postgres_server.start()  # the test may have killed it
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """Name of a migrated database that each test's own is copied from: a copy costs less than the migrations."""
    admin = make_url(postgres_server.admin_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE DATABASE writeback_template OWNER writeback")
    upgrade(make_url(postgres_server.url).set(database="writeback_template").render_as_string(hide_password=False))
    return "writeback_template"


@pytest.fixture
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """SQLAlchemy URL of a migrated database of the test's own."""
    yield from _own_database(postgres_server, f"TEMPLATE {template_database}")


@pytest.fixture
def free_port() -> int:
    return find_free_port()
