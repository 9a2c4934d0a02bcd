import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from canonical.errors import StoreUnavailableError
from config.wiring import Services
from processes.postgres import PostgresServer
from reconcile.schedule import SWEEPS, sweep
from reconcile.sweep import Sweep
from store.sweep_runs import SweepRuns
from tests.reconcile.conftest import Noted, let_wait
from tests.tasks.ward import Ward


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres_server
    postgres_server.start()


def recorded(ward: Ward, name: str) -> list[dict[str, object]]:
    return ward.query("SELECT finished_at, counts FROM sweeps WHERE name = %(name)s", name=name)


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_runs_on_an_empty_ward_and_notes_when_it_finished(
    ward: Ward, services: Services, hands: Noted, name: str
) -> None:
    counts = sweep(name, services, hands)
    assert counts is not None
    assert not any(counts.values())
    (row,) = recorded(ward, name)
    assert row["counts"] == counts
    assert (hands.lanes, hands.commands, hands.callbacks) == ([], [], [])


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_every_sweep_runs_often_enough_that_nothing_waits_for_long(name: str) -> None:
    assert timedelta(0) < SWEEPS[name].every <= timedelta(seconds=5)


def test_a_sweep_that_found_something_says_so_once(ward: Ward, services: Services, hands: Noted) -> None:
    ward.submit()
    let_wait(ward, 1)
    with capture_logs() as lines:
        sweep("due", services, hands)
        sweep("callbacks", services, hands)
    (line,) = [line for line in lines if line.get("action") == "sweep.done"]
    assert (line["sweep"], line["lanes"]) == ("due", 1)
    assert "stumbles" not in line


def test_an_idle_system_does_not_commit_at_every_sweep(ward: Ward) -> None:
    time = [100.0]
    runs = SweepRuns(ward.engine, monotonic=lambda: time[0])
    runs.record("due", {"lanes": 0})
    (first,) = recorded(ward, "due")
    time[0] += 9
    runs.record("due", {"lanes": 0})
    assert recorded(ward, "due") == [first]
    time[0] += 1
    runs.record("due", {"lanes": 0})
    assert recorded(ward, "due") != [first]


def test_a_find_is_always_noted(ward: Ward) -> None:
    runs = SweepRuns(ward.engine)
    runs.record("due", {"lanes": 0})
    runs.record("due", {"lanes": 3})
    assert [run.counts for run in runs.last()] == [{"lanes": 3}]


def test_a_sweep_that_somebody_else_is_at_is_left_out(
    ward: Ward, services: Services, hands: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(_services: Services, _hands: object) -> dict[str, int]:
        inside.set()
        assert go_on.wait(20)
        return {"lanes": 1}

    monkeypatch.setitem(SWEEPS, "due", Sweep(name="due", every=timedelta(seconds=1), run_once=slow))
    other = threading.Thread(target=sweep, args=("due", services, hands))
    other.start()
    assert inside.wait(20)
    elsewhere = SweepRuns(ward.engine)
    with elsewhere.alone("due") as first:
        assert not first
    with elsewhere.alone("parked") as first:
        assert first
    go_on.set()
    other.join()
    with elsewhere.alone("due") as first:
        assert first


def test_a_name_that_no_sweep_has_is_ignored(services: Services, hands: Noted) -> None:
    """A scheduler of another release may know sweeps that we do not."""
    with capture_logs() as lines:
        assert sweep("gone", services, hands) is None
    assert [line["action"] for line in lines] == ["sweep.unknown"]


def test_a_sweep_without_its_database_says_so_and_finds_everything_later(
    ward: Ward, services: Services, hands: Noted, postgres: PostgresServer
) -> None:
    """Trap 30: a sweep asks what is overdue, not what fell due in its own tick."""
    accepted = ward.submit()
    postgres.kill()
    with pytest.raises(StoreUnavailableError):
        sweep("due", services, hands)
    postgres.start()
    let_wait(ward, 60)
    sweep("due", services, hands)
    assert hands.lanes == [accepted.lane_id]


def test_counts_are_numbers_under_plain_names(ward: Ward, services: Services, hands: Noted) -> None:
    for name in SWEEPS:
        counts = sweep(name, services, hands)
        assert counts is not None
        assert json.loads(json.dumps(dict(counts))) == counts
