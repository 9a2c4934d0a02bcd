from collections.abc import Iterator
from pathlib import Path

import pytest

from config.wiring import Services
from tests.reception import open_services


@pytest.fixture
def services(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    """The services of one process on a database of the test's own."""
    with open_services(database_url, redis_url, tmp_path) as services:
        yield services
