from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reception import Issuer, Reception, open_issuer, open_reception


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with open_issuer() as issuer:
        yield issuer


@pytest.fixture
def reception(issuer: Issuer, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Reception]:
    with open_reception(issuer, database_url, redis_url, tmp_path) as reception:
        yield reception
