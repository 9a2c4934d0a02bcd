import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "file.sqlite3")
    opened.open()
    yield opened
    opened.close()


def keep(name: str) -> "KeepName":
    return KeepName(name)


class KeepName:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO settings (name, value) VALUES (?, '1')", (self.name,))
        if self.name.startswith("bad"):
            raise ValueError(self.name)
        return self.name


def names(database: Database) -> set[str]:
    return {row["name"] for row in database.reader.execute("SELECT name FROM settings")}


def test_a_write_is_there_when_it_returns(database: Database) -> None:
    assert asyncio.run(database.write(keep("a"))) == "a"
    assert names(database) == {"a"}


def test_a_write_that_fails_leaves_nothing_and_harms_no_other_of_its_batch(database: Database) -> None:
    async def many() -> list[object]:
        writes = [database.write(keep(name)) for name in ("a", "bad-1", "b", "bad-2", "c")]
        return await asyncio.gather(*writes, return_exceptions=True)

    outcomes = asyncio.run(many())
    assert [str(outcome) for outcome in outcomes] == ["a", "bad-1", "b", "bad-2", "c"]
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [False, True, False, True, False]
    assert names(database) == {"a", "b", "c"}


def test_writes_are_done_in_the_order_they_were_asked(database: Database) -> None:
    async def many() -> None:
        await asyncio.gather(*(database.write(keep(str(number))) for number in range(500)))

    asyncio.run(many())
    rows = database.reader.execute("SELECT name FROM settings ORDER BY rowid").fetchall()
    assert [row["name"] for row in rows] == [str(number) for number in range(500)]


def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    database = Database(tmp_path / "file.sqlite3")
    database.open()

    async def post() -> None:
        futures = [database.post(keep(str(number))) for number in range(200)]
        database.close()
        await asyncio.gather(*futures)

    asyncio.run(post())
    again = Database(tmp_path / "file.sqlite3")
    again.open()
    assert len(names(again)) == 200
    again.close()


def test_a_file_that_cannot_be_written_fails_every_write_of_the_batch(database: Database, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "file.sqlite3", isolation_level=None)
    database._writer.execute("PRAGMA busy_timeout = 50")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        asyncio.run(database.write(keep("a")))
    holder.execute("ROLLBACK")
    holder.close()
    assert asyncio.run(database.write(keep("b"))) == "b"
    assert names(database) == {"b"}


def test_commits_reach_the_disk(database: Database) -> None:
    assert database._writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database._writer.execute("PRAGMA synchronous").fetchone()[0] == 2
