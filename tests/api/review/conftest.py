from collections.abc import Iterator

import pytest

from tests.api.review.desk import Ward, open_ward


@pytest.fixture
def ward() -> Iterator[Ward]:
    with open_ward() as ward:
        yield ward
