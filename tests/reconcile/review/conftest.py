"""The desk over a ward whose chart is the real sandbox: a conflict there is a conflict that somebody really made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.database import open_engine
from tests.interop.servers import FhirServer, sandbox_server
from tests.interop.station import open_station, proxy_before
from tests.reconcile.review.bench import ReviewBench, open_bench
from tests.reconcile.review.whole_desk import WholeDesk, open_whole_desk


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


@pytest.fixture
def whole(bench: ReviewBench, redis_url: str, tmp_path: Path) -> Iterator[WholeDesk]:
    """The whole desk over the bench's ward and chart."""
    with open_whole_desk(bench.station, redis_url, tmp_path) as whole:
        yield whole
