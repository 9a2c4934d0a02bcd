from collections.abc import Iterator

import pytest

from store.database import open_engine
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
