"""The desk over a ward whose chart is the real sandbox: a conflict there is a conflict that somebody really made."""

from collections.abc import Iterator

import pytest

from store.database import open_engine
from tests.interop.servers import FhirServer, sandbox_server
from tests.interop.station import open_station, proxy_before
from tests.reconcile.review.bench import ReviewBench, open_bench


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    with sandbox_server(tmp_path_factory.mktemp("review")) as running:
        yield running


@pytest.fixture
def bench(server: FhirServer, database_url: str) -> Iterator[ReviewBench]:
    engine = open_engine(database_url)
    with proxy_before(server) as proxy:
        station = open_station(engine, database_url, server, proxy)
        yield open_bench(station)
        station.close()
    engine.dispose()
