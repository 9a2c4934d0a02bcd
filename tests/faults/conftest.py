from collections.abc import Iterator

import pytest
import redis
from sqlalchemy.engine import make_url

from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer
from tests.conftest import _own_database
from tests.faults.harness import Product
from tests.faults.proxy import TcpProxy
from tests.faults.stage import Stage
from tests.sandbox_fixture import RunningSandbox, sandbox_server
from tests.tasks.ward import Ward

__all__ = ["sandbox_server"]


#: Seconds for a test with processes of its own: some of them start ten, one after the other.
PATIENT = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "installation" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENT))


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


@pytest.fixture(scope="module")
def module_database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A migrated database for all tests of one module."""
    yield from _own_database(postgres_server, f"TEMPLATE {template_database}")


@pytest.fixture(scope="module")
def redis_proxy(valkey_server: ValkeyServer) -> Iterator[TcpProxy]:
    """A proxy before an emptied Valkey."""
    valkey_server.start()
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    with TcpProxy(valkey_server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def database_proxy(postgres_server: PostgresServer) -> Iterator[TcpProxy]:
    """A proxy before PostgreSQL's TCP port, for all tests of one module."""
    port = make_url(postgres_server.tcp_url).port
    assert port is not None
    with TcpProxy(port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    valkey_server: ValkeyServer,
    module_database: str,
    redis_proxy: TcpProxy,
    database_proxy: TcpProxy,
    sandbox_server: RunningSandbox,
) -> Iterator[Product]:
    """The product, with no process of its own yet: every one it starts speaks through the proxies."""
    sandbox_server.reset()
    direct = make_url(postgres_server.tcp_url).set(database=make_url(module_database).database)
    product = Product(
        folder=tmp_path_factory.mktemp("product"),
        database_url=database_proxy.url(direct.render_as_string(hide_password=False)),
        direct_url=module_database,
        redis_url=redis_proxy.url(valkey_server.url),
        sandbox=sandbox_server,
    )
    yield product
    product.close()
