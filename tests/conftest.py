"""Real servers for the tests: one PostgreSQL and one Valkey a session, an empty database a test; no fakes."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from processes.free_port import free_port as find_free_port
from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer
from store.database import open_engine
from store.migrate import upgrade
from tests.tasks.ward import Ward, open_ward

pytest_plugins = ["tests.browser"]

MEMORY = Path("/dev/shm")
#: Bytes. The files of a session's servers come to a few hundred megabytes.
ROOM = 2 * 1024**3


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the session's servers keep their files: in memory where there is room.

    They run as durable as the product runs them, each write on the disk before it is answered; waiting for that disk
    proves nothing that a killed process could.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    with folder_in_memory(MEMORY) if has_room else nullcontext(tmp_path_factory.mktemp("servers")) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[PostgresServer]:
    """One durable server, on its socket (`url`) and on TCP, where a proxy can stand before it (`tcp_url`).

    Its settings are those of the product.
    """
    place = servers_folder / "postgres"
    place.mkdir()
    server = PostgresServer(place, port=find_free_port())
    with server:
        yield server
    if server.cluster.files.exists():
        shutil.rmtree(server.cluster.files)


@contextmanager
def folder_in_memory(memory: Path) -> Iterator[Path]:
    """A folder that is gone in the end; one whose session was killed is removed here: nobody holds its lock."""
    prefix = f"writeback-tests-{os.getuid()}"
    with ExitStack() as held:
        with _locked(memory / f"{prefix}.lock"):  # two sessions that begin at once
            for left in memory.glob(f"{prefix}-*"):
                with suppress(BlockingIOError), _locked(left / "lock", wait=False):
                    shutil.rmtree(left)
            folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=memory))
            held.enter_context(_locked(folder / "lock"))
        yield folder
        shutil.rmtree(folder)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[ValkeyServer]:
    place = servers_folder / "valkey"
    place.mkdir()
    with ValkeyServer(place) as server:
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
    yield from _own_database(postgres_server, f"TEMPLATE {template_database} STRATEGY FILE_COPY")


@pytest.fixture
def free_port() -> int:
    return find_free_port()


@pytest.fixture
def ward(database_url: str) -> Iterator[Ward]:
    """A connection, a consent and a chart in this process, on a database of the test's own."""
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    yield ward
    ward.close()
    engine.dispose()
