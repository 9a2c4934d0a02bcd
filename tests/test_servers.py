"""The servers that the other tests stand on."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from processes.postgres import PostgresServer
from processes.postgres_settings import SETTINGS
from tests.conftest import folder_in_memory


def test_the_database_of_the_tests_has_the_settings_of_the_product(postgres_server: PostgresServer) -> None:
    url = make_url(postgres_server.admin_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(url) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert connection.execute("SELECT current_setting(%s)", (name,)).fetchone() == (SETTINGS[name],)


def test_a_folder_in_memory_is_gone_in_the_end(tmp_path: Path) -> None:
    with folder_in_memory(tmp_path) as folder:
        (folder / "cluster").mkdir()
    assert list(tmp_path.glob("*-*-*-*")) == []


def test_what_a_killed_session_left_is_removed_and_what_a_running_one_uses_is_not(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), folder_in_memory(tmp_path) as left:
        raise KeyboardInterrupt
    assert left.is_dir()
    with folder_in_memory(tmp_path) as one, folder_in_memory(tmp_path) as other:
        assert not left.exists()
        assert one.is_dir()
        assert other.is_dir()
