"""PostgreSQL and Valkey for a machine that has none; servers that are named by URL are left alone."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from processes.data_directory import DataDirectoryLock, private_directory
from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer


@dataclass(frozen=True, kw_only=True)
class ServerUrls:
    """Where the two servers are; both texts may hold passwords."""

    database_url: str
    redis_url: str


class EmbeddedServers:
    """Starts the servers for which no URL is given, and ends them again.

    Args:
        data_dir: used by one process at a time, also when both URLs are given.
        database_url: SQLAlchemy URL of an existing PostgreSQL.
        redis_url: URL of an existing Redis or Valkey.
    """

    def __init__(self, data_dir: Path, *, database_url: str | None = None, redis_url: str | None = None) -> None:
        self._data_dir = data_dir.absolute()
        self._lock = DataDirectoryLock(self._data_dir)
        self._database = database_url or PostgresServer(self._data_dir / "postgres")
        self._redis = redis_url or ValkeyServer(self._data_dir / "valkey")

    @property
    def postgres(self) -> PostgresServer | None:
        """Our PostgreSQL, if it is ours."""
        return None if isinstance(self._database, str) else self._database

    @property
    def valkey(self) -> ValkeyServer | None:
        """Our Valkey, if it is ours."""
        return None if isinstance(self._redis, str) else self._redis

    @property
    def urls(self) -> ServerUrls:
        """The URLs, given or our own; to be read after the start."""
        return ServerUrls(
            database_url=self._database if isinstance(self._database, str) else self._database.url,
            redis_url=self._redis if isinstance(self._redis, str) else self._redis.url,
        )

    def start(self) -> ServerUrls:
        """Start what is ours and wait until it answers.

        Raises:
            DataDirectoryInUse: another process works there; the text says which.
            ProcessTrouble: a server did not start; the other one was ended again.
        """
        private_directory(self._data_dir)
        self._lock.acquire()
        try:
            self.revive()
        except BaseException:
            self.stop()
            raise
        return self.urls

    def revive(self) -> None:
        """Start again what is ours and has ended; nothing happens to what runs."""
        for server in self._servers:
            server.start()

    def stop(self) -> None:
        """End what is ours, cleanly."""
        try:
            for server in reversed(self._servers):
                server.stop()
        finally:
            self._lock.release()

    def __enter__(self) -> ServerUrls:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _servers(self) -> list[PostgresServer | ValkeyServer]:
        return [server for server in (self.postgres, self.valkey) if server is not None]
