from collections.abc import Iterator

import pytest

from store.database import open_engine
from tests.interop.servers import SERVERS, FhirServer
from tests.interop.station import Station, open_station, proxy_before


@pytest.fixture(scope="module", params=sorted(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def station(server: FhirServer, database_url: str) -> Iterator[Station]:
    """The product's write path on real PostgreSQL, its wire to the server passing through the fault proxy."""
    engine = open_engine(database_url)
    with proxy_before(server) as proxy:
        station = open_station(engine, database_url, server, proxy)
        yield station
        station.close()
    engine.dispose()
