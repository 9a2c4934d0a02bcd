"""The suite's servers outside pytest: PostgreSQL, an open sandbox and the ward, in a temporary folder; for the benchmarks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes.embedded import EmbeddedServers
from store.database import open_engine
from store.migrate import upgrade
from tests.conformance.desk import Desks
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import open_ward


@contextmanager
def open_desks() -> Iterator[Desks]:
    """Start everything and return the desks of all adapters, one open at a time."""
    with tempfile.TemporaryDirectory(prefix="wb-conform-") as name, EmbeddedServers(Path(name) / "servers") as urls:
        upgrade(urls.database_url)
        engine = open_engine(urls.database_url)
        sandbox = RunningSandbox(Path(name) / "sandbox").start()
        desks = Desks(sandbox=sandbox, ward=open_ward(engine, urls.database_url))
        try:
            yield desks
        finally:
            desks.close()
            sandbox.close()
            engine.dispose()
