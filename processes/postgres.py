"""A real, durable PostgreSQL of our own on one data directory; for development, tests and single machines."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from signal import SIGINT, SIGQUIT
from typing import LiteralString
from urllib.parse import urlencode

import psycopg

from processes.data_server import DataServer
from processes.errors import ProcessTrouble
from processes.free_port import LOOPBACK
from processes.identity import Identity, find_identity
from processes.leftovers import end_leftovers
from processes.postgres_cluster import SUPERUSER, PostgresCluster, installed_programs
from processes.postgres_settings import SETTINGS
from processes.spawner import Spawn

WRITEBACK = "writeback"
SOCKET_PORT = 5432
"""Part of the socket's name; nobody listens on it unless a port was asked for."""
READY_WITHIN = timedelta(seconds=60)
"""Recovery after a crash replays at most `max_wal_size`; a slow laptop does that within a minute."""
STOP_STEPS = ((SIGINT, timedelta(seconds=10)), (SIGQUIT, timedelta(seconds=5)))
"""What PostgreSQL calls a fast, then an immediate shutdown."""
LEFTOVER_GRACE = timedelta(seconds=10)
CREATED_ONCE: dict[LiteralString, LiteralString] = {
    "SELECT FROM pg_roles WHERE rolname = 'writeback'": "CREATE ROLE writeback LOGIN",
    "SELECT FROM pg_database WHERE datname = 'writeback'": "CREATE DATABASE writeback OWNER writeback",
}


class PostgresServer(DataServer):
    """One server on one data directory, with a database and a user called `writeback`.

    Args:
        data_dir: kept between starts; made when missing.
        port: also listen on this port of 127.0.0.1, where every local user is let in; default: socket only.
        identity: as whom it runs; found out by default.
    """

    stop_steps = STOP_STEPS

    def __init__(self, data_dir: Path, *, port: int | None = None, identity: Identity | None = None) -> None:
        super().__init__("PostgreSQL", data_dir)
        self._port = port
        self._identity = identity

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the product's database, over the socket."""
        return self._socket_url(user=WRITEBACK, database=WRITEBACK)

    @property
    def admin_url(self) -> str:
        """SQLAlchemy URL of the maintenance database as superuser, over the socket."""
        return self._socket_url(user=SUPERUSER, database=SUPERUSER)

    @property
    def tcp_url(self) -> str:
        """SQLAlchemy URL of the product's database over TCP; only for a server with a port."""
        if self._port is None:
            raise ProcessTrouble("This PostgreSQL has a socket only. Give it a port to reach it over TCP.")
        return f"postgresql+psycopg://{WRITEBACK}@{LOOPBACK}:{self._port}/{WRITEBACK}"

    @cached_property
    def cluster(self) -> PostgresCluster:
        """Its files and programs."""
        identity = self._identity or find_identity(installed_programs() / "bin" / "postgres")
        return PostgresCluster(self._home, identity)

    def _start_locked(self) -> None:
        end_leftovers(self.cluster.data, ask=SIGINT, grace=LEFTOVER_GRACE)
        self.cluster.prepare()
        order = Spawn(
            argv=[str(self.cluster.programs / "postgres"), "-D", str(self.cluster.data), *self._settings()],
            identity=self.cluster.identity.leash_words,
            death_signal=SIGINT,
            cwd=self.cluster.files,
        )
        self._process.launch(order, ready=self._is_ready, within=READY_WITHIN)
        self._create_database()

    def _settings(self) -> list[str]:
        places = {
            "listen_addresses": "" if self._port is None else LOOPBACK,
            "port": str(self._port or SOCKET_PORT),
            "unix_socket_directories": str(self.cluster.sockets),
            "unix_socket_permissions": "0700",
        }
        return [word for name, value in {**SETTINGS, **places}.items() for word in ("-c", f"{name}={value}")]

    def _is_ready(self) -> bool:
        """Whether the postmaster wrote that it is: first line its process id, eighth its state."""
        try:
            lines = (self.cluster.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _create_database(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            for question, statement in CREATED_ONCE.items():
                if connection.execute(question).fetchone() is None:
                    connection.execute(statement)

    @property
    def _conninfo(self) -> str:
        return self.admin_url.replace("+psycopg", "", 1)

    def _socket_url(self, *, user: str, database: str) -> str:
        where = {"host": str(self.cluster.sockets)} | ({"port": str(self._port)} if self._port else {})
        return f"postgresql+psycopg://{user}@/{database}?{urlencode(where)}"
