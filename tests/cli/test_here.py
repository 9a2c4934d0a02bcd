"""How other commands on this machine find the product that `up` runs: by its data directory, and only what is not set."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.here import announce, settings_here, withdraw


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("WRITEBACK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WRITEBACK_DATA_DIR", str(tmp_path))
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


def test_what_the_environment_does_not_say_the_running_product_does(tmp_path: Path) -> None:
    announce(tmp_path, {"WRITEBACK_DATABASE_URL": "postgresql:///mine?host=/tmp", "WRITEBACK_ENVIRONMENT": "here"})
    assert settings_here().database_url == "postgresql:///mine?host=/tmp"
    assert settings_here().environment == "here"


def test_what_is_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEBACK_ENVIRONMENT", "production")
    announce(tmp_path, {"WRITEBACK_ENVIRONMENT": "here"})
    assert settings_here().environment == "production"


def test_the_note_is_for_its_owner_only(tmp_path: Path) -> None:
    announce(tmp_path, {"WRITEBACK_REDIS_URL": "redis://:secret@127.0.0.1/0"})
    (note,) = tmp_path.iterdir()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600


def test_a_product_that_has_stopped_is_not_found(tmp_path: Path) -> None:
    announce(tmp_path, {"WRITEBACK_ENVIRONMENT": "here"})
    withdraw(tmp_path)
    withdraw(tmp_path)
    assert settings_here().environment == "dev"
