from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from processes.postgres import PostgresServer
from store.database import open_engine
from tests.conformance.desk import Desks
from tests.conftest import _own_database
from tests.sandbox_fixture import RunningSandbox, sandbox_server
from tests.tasks.ward import Ward, open_ward

__all__ = ["conformance_ward", "desks", "sandbox_server"]


@pytest.fixture(scope="session")
def conformance_ward(postgres_server: PostgresServer, template_database: str) -> Iterator[Ward]:
    """One ward for the whole suite: every cell has a patient, and so a lane, of its own."""
    with contextmanager(_own_database)(postgres_server, f"TEMPLATE {template_database}") as url:
        engine = open_engine(url)
        ward = open_ward(engine, url)
        yield ward
        ward.close()
        engine.dispose()


@pytest.fixture(scope="session")
def desks(conformance_ward: Ward, sandbox_server: RunningSandbox) -> Iterator[Desks]:
    """The desks of all adapters, one open at a time."""
    desks = Desks(sandbox=sandbox_server, ward=conformance_ward)
    yield desks
    desks.close()
