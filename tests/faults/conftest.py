from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from processes.postgres import PostgresServer
from store.database import open_engine
from tests.faults.proxy import TcpProxy
from tests.faults.stage import Stage
from tests.tasks.ward import Ward, open_ward


@pytest.fixture
def ward(database_url: str) -> Iterator[Ward]:
    """A connection, a consent and a chart in this process, on real PostgreSQL."""
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    yield ward
    ward.close()
    engine.dispose()


@pytest.fixture
def stage(ward: Ward) -> Stage:
    """The ward with workers that can be paused, and the judge."""
    return Stage(ward)


@pytest.fixture
def postgres_proxy(postgres_server: PostgresServer) -> Iterator[TcpProxy]:
    """A proxy before PostgreSQL's TCP port."""
    port = make_url(postgres_server.tcp_url).port
    assert port is not None
    with TcpProxy(port) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(database_url: str, postgres_server: PostgresServer, postgres_proxy: TcpProxy) -> str:
    """The test's own database, as it is reached through the proxy."""
    direct = make_url(postgres_server.tcp_url).set(database=make_url(database_url).database)
    return postgres_proxy.url(direct.render_as_string(hide_password=False))
