from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.review.desk import Ward, open_ward
from tests.api.review.window import DESK, watched


@pytest.fixture
def ward() -> Iterator[Ward]:
    with open_ward() as ward:
        yield ward


@pytest.fixture(scope="module")
def chrome(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def page(chrome: Browser) -> Iterator[Page]:
    """A page of a desk; whatever its console complains of fails the test, answers that a test asks for excepted."""
    with chrome.new_context(viewport=DESK) as context:
        yield watched(context)
