from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]


@pytest.fixture
def fhir(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """A client of the empty sandbox's FHIR interface; the chart holds Patient/p1 and Patient/p2."""
    sandbox.seed([{"resourceType": "Patient", "id": "p1"}, {"resourceType": "Patient", "id": "p2"}])
    # Plain HTTP: loading certificates for every test would take longer than the test.
    with httpx.Client(
        base_url=f"{sandbox.url}/",
        headers={"Content-Type": "application/fhir+json"},
        timeout=10,
        verify=False,
    ) as client:
        yield client
