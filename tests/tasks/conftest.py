from collections.abc import Iterator

import pytest

from store.database import open_engine
from tests.sandbox_fixture import sandbox, sandbox_server
from tests.tasks.ward import Ward, open_ward

__all__ = ["sandbox", "sandbox_server", "ward"]


@pytest.fixture
def ward(database_url: str) -> Iterator[Ward]:
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    yield ward
    ward.close()
    engine.dispose()
