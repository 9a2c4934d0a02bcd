import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

@pytest.mark.browser
def test_page(): raise AssertionError("there is no browser here")

def test_other(): pass
"""


def run_suite(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_suite.py").write_text(SUITE, encoding="utf-8")
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = browser\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.browser", "-p", "no:cacheprovider"]
    plain = {name: value for name, value in os.environ.items() if name not in {"CI", "WRITEBACK_CHROMIUM"}}
    return subprocess.run(
        [*command, *words, "--rootdir", str(directory), "-c", str(directory / "pytest.ini"), str(directory)],
        env={**plain, "PATH": str(directory), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_browser_its_tests_are_reported_as_not_run(tmp_path: Path) -> None:
    done = run_suite(tmp_path)
    assert done.returncode == 0
    assert "1 passed, 1 deselected" in done.stdout
    assert "NOT RUN: 1 browser tests, because no Chromium was found." in done.stdout


def test_on_a_build_machine_that_is_a_failure(tmp_path: Path) -> None:
    assert run_suite(tmp_path, CI="true").returncode == pytest.ExitCode.TESTS_FAILED


def test_browser_tests_nobody_asked_for_are_not_missed(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "-k", "other", CI="true")
    assert done.returncode == 0
    assert "NOT RUN" not in done.stdout


def test_with_a_browser_they_run(tmp_path: Path) -> None:
    done = run_suite(tmp_path, WRITEBACK_CHROMIUM="/opt/chromium")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "there is no browser here" in done.stdout
