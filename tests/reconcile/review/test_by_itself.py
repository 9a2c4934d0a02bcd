"""A conflict from the edit to the proof with nobody at the queue: sweep, look, merge, turn; by the poller and by a worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from config import wiring
from config.wiring import Services, build
from reconcile.schedule import SWEEPS
from tasks.celery_tasks import HINT_TASKS
from tasks.poller import Poller
from tasks.queues import TaskName, hint
from tests.reconcile.conftest import Noted
from tests.reconcile.review.bench import ReviewBench
from tests.reconcile.review.tasks import change, edit, put_task
from tests.tasks.receiving import eventually
from tests.ward_services import settings_for


@pytest.fixture
def services(bench: ReviewBench, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    """Services of a process whose EHR is the bench's real chart."""
    station = bench.station
    services = build(
        settings_for(station.ward, redis_url, tmp_path), random=Random(1), opener=lambda _settings: station.ehr
    )
    yield services
    services.ehr._open.clear()  # the station closes its own
    services.close()


def test_the_poller_brings_a_harmless_conflict_into_the_chart(bench: ReviewBench, services: Services) -> None:
    accepted = change(bench, put_task(bench, "alone"), priority="urgent")
    edit(bench, "alone", note=[{"text": "She is at her daughter's."}])
    wanted = {name: SWEEPS[name] for name in ("due", "conflicted", "unproven")}
    poller = Poller(services, threads=2, sweeps=wanted)
    thread = threading.Thread(target=poller.run)
    thread.start()
    try:
        eventually(lambda: bench.station.ward.state(accepted.command_id) == "verified", within=30)
    finally:
        poller.stop()
        thread.join(30)
    task = bench.station.server.get("Task/alone")
    assert (task["priority"], task["note"][0]["text"]) == ("urgent", "She is at her daughter's.")
    assert bench.station.ward.attempts(accepted.command_id) == [("send", "applied")]
    assert bench.station.ward.query("SELECT 1 FROM cases WHERE closed_at IS NULL") == []


def test_a_worker_looks_at_the_case_it_is_told_of(
    bench: ReviewBench, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_started", services)
    accepted = change(bench, put_task(bench, "worked"), priority="urgent")
    edit(bench, "worked", note=[{"text": "She is at her daughter's."}])
    bench.station.run(accepted.lane_id)
    hands = Noted()
    SWEEPS["conflicted"].run_once(services, hands)
    (case,) = hands.cases
    HINT_TASKS[TaskName.LOOK](hint(case=case))
    assert bench.station.ward.state(accepted.command_id) == "ready"
