from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.review.login_site import Browser, Site, open_sandbox_site
from tests.reception import Issuer, Reception, open_issuer, open_reception
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with open_issuer() as issuer:
        yield issuer


@pytest.fixture
def reception(issuer: Issuer, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Reception]:
    with open_reception(issuer, database_url, redis_url, tmp_path) as reception:
        yield reception


@pytest.fixture
def site(sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    """The application with the sandbox as OpenID provider."""
    with open_sandbox_site(sandbox, database_url, redis_url, tmp_path) as site:
        yield site


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()
