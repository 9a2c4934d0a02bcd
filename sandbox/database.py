"""One SQLite file: its schema, one thread that writes, one connection that reads; not what a row means."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

#: Writes of one commit. Waiting requests share a flush; more would only make the first of them wait longer.
BATCH = 128

SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL, id TEXT NOT NULL, ordinal INTEGER NOT NULL, version TEXT NOT NULL,
    deleted INTEGER NOT NULL, body TEXT NOT NULL, source TEXT,
    stored_at REAL NOT NULL, superseded_at REAL,
    UNIQUE (type, id, version)
);
CREATE UNIQUE INDEX IF NOT EXISTS versions_current ON versions (type, id) WHERE superseded_at IS NULL;
CREATE TABLE IF NOT EXISTS search_values (
    seq INTEGER NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS search_values_by_value ON search_values (type, param, value, system);
CREATE TABLE IF NOT EXISTS search_dates (
    seq INTEGER NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS search_dates_by_low ON search_dates (type, param, low);
CREATE INDEX IF NOT EXISTS search_dates_by_seq ON search_dates (seq);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, query TEXT NOT NULL,
    interaction TEXT NOT NULL,
    status TEXT NOT NULL, answer INTEGER, client TEXT, headers TEXT NOT NULL, body_sha256 TEXT NOT NULL,
    reference TEXT, version TEXT, fault TEXT
);
CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS held (
    id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, resource_id TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS locks (type TEXT NOT NULL, id TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (type, id));
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, client TEXT NOT NULL, seen_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clients (client_id TEXT PRIMARY KEY, registration TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS assertions (client_id TEXT NOT NULL, jti TEXT NOT NULL, expires_at REAL NOT NULL,
    PRIMARY KEY (client_id, jti));
CREATE TABLE IF NOT EXISTS people (sub TEXT PRIMARY KEY, registration TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS web_clients (client_id TEXT PRIMARY KEY, registration TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS codes (digest TEXT PRIMARY KEY, content TEXT NOT NULL, expires_at REAL NOT NULL);
"""

TABLES = (
    *("versions", "search_values", "search_dates", "requests", "settings", "clients", "assertions"),
    *("numbers", "held", "locks", "sessions", "people", "web_clients", "codes"),
)


@dataclass(frozen=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"

    def resolve(self, result: object, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


_Outcome = tuple[object, Exception | None]


class Database:
    """The sandbox's file: a write is on the disk when `write` returns; each is atomic, one after another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        #: Called in the loop after every write that somebody waits for.
        self.on_written: Callable[[], None] = lambda: None
        self._writer: sqlite3.Connection
        self.reader: sqlite3.Connection

    def open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connect()
        self._writer.executescript(SCHEMA)
        self.reader = self._connect()
        self._thread = threading.Thread(target=self._run, name="sandbox-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the writes that wait, then close the file."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
            self._writer.close()
            self.reader.close()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction of its own and return when it is durable.

        Raises:
            Exception: whatever `work` raised; nothing of it is stored.
        """
        result = await self.post(work)
        self.on_written()
        return result

    def post(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Put `work` in turn with the other writes; the future is done when it is durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, future))
        return future

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def _run(self) -> None:
        while batch := self._next_batch():
            jobs = [job for job in batch if job is not None]
            for job, outcome in zip(jobs, self._commit(jobs), strict=True):
                job.loop.call_soon_threadsafe(job.resolve, *outcome)
            if None in batch:
                return

    def _next_batch(self) -> list[_Job | None]:
        batch = [self._jobs.get()]
        while len(batch) < BATCH and batch[-1] is not None:
            try:
                batch.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return batch

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._attempt(job) for job in jobs]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            return [(None, error)] * len(jobs)
        return outcomes

    def _attempt(self, job: _Job) -> _Outcome:
        self._writer.execute("SAVEPOINT job")
        try:
            outcome: _Outcome = (job.work(self._writer), None)
        except Exception as error:  # noqa: BLE001 - handed to the one who asked; the other writes of the batch go on
            self._writer.execute("ROLLBACK TO job")
            outcome = (None, error)
        self._writer.execute("RELEASE job")
        return outcome
