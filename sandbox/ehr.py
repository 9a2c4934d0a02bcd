"""What one running sandbox consists of; not its routes."""

import asyncio
import json
import math
import sqlite3
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sandbox import written_json
from sandbox.capability import capability_statement
from sandbox.chart import Chart
from sandbox.database import TABLES, Database
from sandbox.faults import FaultBook
from sandbox.lanes import Lanes
from sandbox.personalities import conduct_of
from sandbox.reuse import ReusedAnswers
from sandbox.settings import Behaviour, SandboxSettings
from sandbox.throttle import Meter


def clock_ms() -> float:
    """Seconds since 1970, no finer than the milliseconds a FHIR instant shows."""
    return math.floor(time.time() * 1000) / 1000


class Ehr:
    """The chart's file, the behaviour and the faults in force, and the writes still to come.

    Args:
        settings: as it was started; `conduct` is what is in force now.
        public_url: scheme, host and port it is reached by, no slash at the end.
    """

    def __init__(self, settings: SandboxSettings, *, public_url: str, clock: Callable[[], float] = clock_ms) -> None:
        self.settings = settings
        self.public_url = public_url
        self._clock = clock
        self.conduct = conduct_of(settings.stated())
        self._changes: dict[str, Any] = {}
        self.faults = FaultBook()
        self.meter = Meter()
        self.lanes = Lanes()
        self.searches = ReusedAnswers()
        self.database = Database(settings.data_dir / "sandbox.sqlite3")
        self._later: set[asyncio.Task[Any]] = set()

    def clock(self) -> float:
        """Seconds since 1970 as this EHR has them: right, or as far off as it is set."""
        return self._clock() + self.behaviour.clock_offset_s

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return f"{self.public_url}/fhir"

    @property
    def behaviour(self) -> Behaviour:
        """The settings in force."""
        return self.conduct.behaviour

    @property
    def token_endpoint(self) -> str:
        return f"{self.public_url}/oauth/token"

    def open(self) -> None:
        self.database.open()
        changes = self.database.reader.execute("SELECT name, value FROM settings").fetchall()
        self._behave({row["name"]: json.loads(row["value"]) for row in changes})

    async def close(self) -> None:
        self.forget_later()
        self.database.close()

    def chart(self, connection: sqlite3.Connection) -> Chart:
        return Chart(connection=connection, base=self.base, behaviour=self.behaviour)

    def capabilities(self) -> str:
        """The CapabilityStatement of the behaviour in force, as JSON."""
        return written_json.dumps(
            capability_statement(self.conduct, base=self.base, token_endpoint=self.token_endpoint)
        )

    async def change_behaviour(self, changes: dict[str, Any]) -> None:
        """Change some of the behaviour, for this process and the ones after it.

        Raises:
            ValidationError: a name or value is unknown; nothing was changed.
            Refusal: there is no such personality; nothing was changed.
        """
        self._behave(changes)
        rows = [(name, json.dumps(value)) for name, value in changes.items()]
        await self.database.write(
            lambda connection: connection.executemany("REPLACE INTO settings (name, value) VALUES (?, ?)", rows)
        )

    def _behave(self, changes: dict[str, Any]) -> None:
        changes = {**self._changes, **changes}
        self.conduct = conduct_of({**self.settings.stated(), **changes})
        self._changes = changes

    async def reset(self) -> None:
        """Empty the chart, the log, the faults and what was changed since the start."""
        self.forget_later()
        self.faults.replace([])

        def empty(connection: sqlite3.Connection) -> None:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names

        await self.database.write(empty)
        self._changes = {}
        self.conduct = conduct_of(self.settings.stated())
        self.meter = Meter()
        self.searches = ReusedAnswers()

    def log_later(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Write something nobody waits for, in turn with the other writes; it outlives a stop, not a kill."""
        _ = self.database.post(work)

    def do_later(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def forget_later(self) -> None:
        for task in self._later:
            task.cancel()
