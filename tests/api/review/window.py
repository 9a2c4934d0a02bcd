"""The windows that the pages are looked at in, and a page whose errors fail the test."""

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize

DESK, TELEPHONE = ViewportSize(width=1366, height=768), ViewportSize(width=360, height=740)


def watched(context: BrowserContext) -> Page:
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return page
