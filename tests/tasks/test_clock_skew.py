"""Clocks of workers and EHR that are minutes away from the database's: what is written, proven and refused stays the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from canonical.ports import Proof
from store.database import open_engine
from tests.interop.servers import FhirServer
from tests.interop.station import open_station, proxy_before
from tests.reconcile.review.whole_desk import WholeDesk, open_whole_desk
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.tasks.ward import heart_rate

__all__ = ["sandbox", "sandbox_server"]
FIVE = timedelta(minutes=5)
NONE = timedelta(0)


@contextmanager
def skewed(
    engine: Engine,
    url: str,
    redis_url: str,
    sandbox: RunningSandbox,
    folder: Path,
    *,
    workers: timedelta,
    ehr: timedelta,
) -> Iterator[WholeDesk]:
    """Yield a process whose clock is off by ``workers``, at an EHR whose clock is off by ``ehr``; the database's is right."""
    sandbox.settings(update_create=True, clock_offset_s=int(ehr.total_seconds()))
    server = FhirServer(sandbox.url)

    def clock() -> datetime:
        return datetime.now(UTC) + workers

    with proxy_before(server) as proxy:
        station = open_station(engine, url, server, proxy, proof=Proof.READ_BACK, clock=clock)
        try:
            with open_whole_desk(station, redis_url, folder, clock=clock) as whole:
                yield whole
        finally:
            station.close()
            server.close()


def settle(whole: WholeDesk) -> None:
    """Let workers do all that is due, until nothing is."""
    for _ in range(12):
        for row in whole.look("SELECT DISTINCT lane_id FROM commands WHERE state IN ('ready', 'unknown')"):
            whole.look("UPDATE lanes SET quarantine_until = '-infinity' WHERE lease_until < clock_timestamp()")
            whole.services.dispatcher.run(row["lane_id"])
        for row in whole.look("SELECT id FROM commands WHERE state = 'applied'"):
            whole.services.verifier.run(row["id"])


@pytest.mark.parametrize(
    ("workers", "ehr"), [(NONE, NONE), (FIVE, -FIVE), (-FIVE, FIVE)], ids=["none", "workers ahead", "workers behind"]
)
def test_five_minutes_between_workers_ehr_and_database_change_no_outcome(
    database_url: str, redis_url: str, sandbox: RunningSandbox, tmp_path: Path, workers: timedelta, ehr: timedelta
) -> None:
    engine = open_engine(database_url)
    with skewed(engine, database_url, redis_url, sandbox, tmp_path, workers=workers, ehr=ehr) as whole:
        now = datetime.now(UTC)
        plain = whole.give(key="skew-plain")
        correction = whole.give(heart_rate(operation="correct"), key="skew-correction", target={"command": str(plain)})
        in_time = whole.give(key="skew-in-time", notAfter=(now + timedelta(minutes=2)).isoformat())
        settle(whole)
        sandbox.faults({"id": "lost", "fault": "commit_then_drop", "match": {"method": "POST"}, "nth": 1})
        lost = whole.give(key="skew-lost")
        settle(whole)
        whole.consent(active=False)
        revoked = whole.give(key="skew-in-time", notAfter=(now + timedelta(minutes=2)).isoformat())
        states = [whole.state(command) for command in (plain, correction, in_time, lost)]
        assert states == ["verified"] * 4
        assert revoked == in_time
        assert whole.station.ward.events(lost)[2:] == ["claimed", "answer_lost", "probe_found", "proven"]
        assert [len(whole.station.marked(command)) for command in (plain, in_time, lost)] == [1, 1, 1]
        assert whole.look("SELECT kind FROM cases") == []
        assert whole.services.doors.balances.sheet().closes
    engine.dispose()
