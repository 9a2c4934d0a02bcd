import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from processes.condition import wait_until
from processes.data_directory import DataDirectoryLock
from processes.errors import DataDirectoryInUse, DidNotStart, ProcessTrouble
from processes.identity import AS_NOBODY, OURSELVES
from processes.leftovers import processes_in
from processes.postgres import PostgresServer
from tests.processes.conftest import Parent, is_alive

SOON = timedelta(seconds=10)
SECRET = "Erika-Mustermann-1964"


@pytest.fixture(scope="module")
def long_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as of a checkout deep down: its own path is too long for a socket."""
    return tmp_path_factory.mktemp("postgres") / ("checkout" * 12)


@pytest.fixture(scope="module")
def kept(long_home: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(long_home)
    yield server
    server.stop()
    shutil.rmtree(server.cluster.sockets)
    shutil.rmtree(long_home)


@pytest.fixture
def server(kept: PostgresServer) -> PostgresServer:
    kept.start()
    return kept


def connect(server: PostgresServer, url: str | None = None) -> psycopg.Connection:
    return psycopg.connect((url or server.url).replace("+psycopg", ""), autocommit=True)


def control_data(server: PostgresServer) -> str:
    command = [str(server.cluster.programs / "pg_controldata"), str(server.cluster.data)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("idle_session_timeout", "0"),
        ("tcp_keepalives_idle", "0"),  # as seen over a socket, which has none
        ("max_connections", "120"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("log_min_messages", "log"),
        ("log_statement", "none"),
    ],
)
def test_it_is_durable_and_discreet(server: PostgresServer, setting: str, value: str) -> None:
    with connect(server) as connection:
        assert connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() == (value,)


def test_over_tcp_a_lost_client_is_noticed(postgres_server: PostgresServer) -> None:
    with connect(postgres_server, postgres_server.tcp_url) as connection:
        settings = [
            connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        ]
    assert settings == [("10",), ("5",), ("3",), ("20000",)]


def test_without_a_port_there_is_no_tcp_address(server: PostgresServer) -> None:
    with pytest.raises(ProcessTrouble, match="Give it a port"):
        _ = server.tcp_url


def test_the_product_owns_its_database_and_is_no_superuser(server: PostgresServer) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE ours (id int)")
        connection.execute("DROP TABLE ours")
        row = connection.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == (False, False)


def _is_cut(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_a_crash_keeps_what_was_committed_and_drops_what_was_not(server: PostgresServer) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE survivors (id int)")
        connection.execute("INSERT INTO survivors VALUES (1)")
    with connect(server) as open_connection:
        open_connection.autocommit = False
        open_connection.execute("INSERT INTO survivors VALUES (2)")
        server.kill()
        # A backend may answer once more before it notices that its postmaster is gone.
        wait_until(lambda: _is_cut(open_connection), within=timedelta(seconds=10))
        open_connection.close()
    assert server.pid is None
    server.start()
    with connect(server) as connection:
        assert connection.execute("SELECT id FROM survivors").fetchall() == [(1,)]
        connection.execute("DROP TABLE survivors")


def test_it_starts_again_after_a_crash_that_a_backend_outlived(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processes.postgres.LEFTOVER_GRACE", timedelta(milliseconds=100))
    with connect(server) as connection:
        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert pid is not None
        os.kill(pid[0], signal.SIGSTOP)
        server.kill()
        assert pid[0] in processes_in(server.cluster.data)
        server.start()
        assert not is_alive(pid[0])
        connection.close()


def test_a_stop_is_clean_even_with_a_session_open(server: PostgresServer) -> None:
    with connect(server) as connection:
        connection.execute("SELECT 1")
        server.stop()
        connection.close()
    assert server.pid is None
    assert processes_in(server.cluster.data) == frozenset()
    assert "shut down" in control_data(server)
    assert not (server.cluster.data / "postmaster.pid").exists()


def test_a_restart_is_another_process_at_the_same_address(server: PostgresServer) -> None:
    url, pid = server.url, server.pid
    server.restart()
    assert server.url == url
    assert server.pid != pid
    with connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_starting_what_runs_changes_nothing(server: PostgresServer) -> None:
    pid = server.pid
    server.start()
    assert server.pid == pid


def test_a_second_server_on_the_same_data_is_refused(server: PostgresServer, long_home: Path) -> None:
    with pytest.raises(DataDirectoryInUse, match=f"process {os.getpid()}"):
        PostgresServer(long_home).start()
    with connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_socket_is_short_and_private(server: PostgresServer) -> None:
    socket = server.cluster.sockets / ".s.PGSQL.5432"
    assert len(os.fsencode(socket)) < 100
    assert stat.S_IMODE(server.cluster.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.cluster.data.stat().st_mode) == 0o700


def test_clinical_content_stays_out_of_the_log(server: PostgresServer) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE names (name text PRIMARY KEY, size int)")
        connection.execute("INSERT INTO names VALUES (%s, 1)", (SECRET,))
        for statement in (
            f"INSERT INTO names VALUES ('{SECRET}', 2)",  # a duplicate key is quoted in the detail
            f"SELECT '{SECRET}'::int",  # a value is quoted in the message
            f"SELEC '{SECRET}'",
        ):
            with pytest.raises(psycopg.Error, match=SECRET):
                connection.execute(statement.encode())
        connection.execute(f"DO $$ BEGIN RAISE WARNING '{SECRET}'; END $$".encode())
        connection.execute("DROP TABLE names")
    assert "ready to accept connections" in server.log_path.read_text(encoding="utf-8")
    assert SECRET not in server.log_path.read_text(encoding="utf-8")


def test_no_orphan_when_the_parent_is_killed(run_parent: Parent, kept: PostgresServer, long_home: Path) -> None:
    kept.stop()
    script = "import signal; from pathlib import Path; from processes.postgres import PostgresServer\n"
    script += f"server = PostgresServer(Path({str(long_home)!r})); server.start()\n"
    script += "print(server.pid, flush=True); signal.pause()"
    parent, [pid] = run_parent(script)
    family = processes_in(kept.cluster.data)
    assert pid in family
    parent.kill()
    assert wait_until(lambda: not any(is_alive(member) for member in family), within=SOON)
    assert "shut down" in control_data(kept)


def test_an_unfinished_cluster_is_made_anew(tmp_path: Path) -> None:
    unfinished = tmp_path / "cluster.part"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18", encoding="ascii")
    with PostgresServer(tmp_path) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not unfinished.exists()


def test_data_that_cannot_be_read_is_left_alone_and_the_log_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "cluster"
    broken.mkdir(mode=0o700)
    (broken / "PG_VERSION").write_text("9.6", encoding="ascii")
    server = PostgresServer(tmp_path)
    with pytest.raises(DidNotStart, match=r"ended at once.*postgresql\.log"):
        server.start()
    assert (broken / "PG_VERSION").read_text(encoding="ascii") == "9.6"
    with DataDirectoryLock(tmp_path):  # it let go of the directory
        assert server.pid is None


def test_another_user_runs_it_where_ours_may_not(tmp_path: Path) -> None:
    """As root: `nobody`, with data where he can reach it; else there is nothing to change."""
    identity = AS_NOBODY if os.geteuid() == 0 else OURSELVES
    server = PostgresServer(tmp_path / "home", identity=identity)
    try:
        with server, connect(server) as connection:
            connection.execute("CREATE TABLE kept (id int)")
            assert Path(f"/proc/{server.pid}").stat().st_uid == identity.owner
        assert server.cluster.files.stat().st_uid == identity.owner
        with server, connect(server) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        shutil.rmtree(server.cluster.files)
