import os
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis

from processes.condition import wait_until
from processes.embedded import EmbeddedServers, ServerUrls
from processes.errors import DataDirectoryInUse, DidNotStart
from tests.processes.conftest import Parent, is_alive

SOON = timedelta(seconds=10)


def answer(urls: ServerUrls) -> tuple[object, object]:
    with psycopg.connect(urls.database_url.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    with redis.Redis.from_url(urls.redis_url) as client:
        return row, client.ping()


def test_both_servers_answer_at_their_urls_and_are_revived(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path)
    with servers as urls:
        assert answer(urls) == (("writeback",), True)
        assert servers.postgres is not None
        assert servers.valkey is not None
        untouched = servers.postgres.pid
        servers.valkey.kill()
        servers.revive()
        assert servers.urls == urls
        assert answer(urls) == (("writeback",), True)
        assert servers.postgres.pid == untouched
    assert servers.postgres.pid is None
    assert servers.valkey.pid is None


def test_servers_given_by_url_are_left_alone(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path, database_url="postgresql+psycopg://db.example/w", redis_url="redis://r.example")
    with servers as urls:
        assert urls == ServerUrls(database_url="postgresql+psycopg://db.example/w", redis_url="redis://r.example")
        assert servers.postgres is None
        assert servers.valkey is None
    assert [path.name for path in tmp_path.iterdir()] == ["writeback.lock"]


def test_a_second_user_of_the_directory_is_refused(tmp_path: Path) -> None:
    mine = EmbeddedServers(tmp_path, database_url="postgresql://db.example", redis_url="redis://r.example")
    theirs = EmbeddedServers(tmp_path, redis_url="redis://r.example")
    with mine, pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"):
        theirs.start()
    assert theirs.postgres is not None
    assert theirs.postgres.pid is None


def test_when_one_does_not_start_the_other_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.valkey.CONFIGURATION", "no-such-setting {host}{port}{password}{directory}")
    servers = EmbeddedServers(tmp_path)
    with pytest.raises(DidNotStart, match="Valkey"):
        servers.start()
    assert servers.postgres is not None
    assert servers.postgres.pid is None
    monkeypatch.undo()
    with servers as urls:
        assert answer(urls) == (("writeback",), True)


def test_a_killed_parent_leaves_no_orphan_and_its_directory_free(run_parent: Parent, tmp_path: Path) -> None:
    script = "import signal; from pathlib import Path; from processes.embedded import EmbeddedServers\n"
    script += f"servers = EmbeddedServers(Path({str(tmp_path)!r})); servers.start()\n"
    script += "print(servers.postgres.pid, servers.valkey.pid, flush=True); signal.pause()"
    parent, pids = run_parent(script)
    with pytest.raises(DataDirectoryInUse, match=f"process {parent.pid}"):
        EmbeddedServers(tmp_path).start()
    parent.kill()
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids), within=SOON)
    with EmbeddedServers(tmp_path) as urls:
        assert answer(urls) == (("writeback",), True)
