"""Tests in a real browser (marker `browser`): run where there is a Chromium, reported as not run where there is none."""

import os

import pytest

from run import find_browser

NOT_RUN = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = 0


@pytest.hookimpl(trylast=True)  # what -k or -m leave out is not missed
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if find_browser(os.environ) is not None:
        return
    without = [item for item in items if item.get_closest_marker("browser")]
    config.stash[NOT_RUN] = len(without)
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On a build machine a missing browser is a failure: nobody reads the line at the end there."""
    if session.config.stash[NOT_RUN] and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash[NOT_RUN]:
        terminalreporter.write_line(
            f"NOT RUN: {count} browser tests, because no Chromium was found. "
            "Install one, or name it in WRITEBACK_CHROMIUM; with CI=true this is a failure.",
            yellow=True,
        )


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser, for `playwright.chromium.launch(executable_path=...)`."""
    path = find_browser(os.environ)
    assert path is not None, "a test that asks for the browser needs the marker `browser`"
    return path
