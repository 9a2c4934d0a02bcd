import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from canonical import exact_json
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Proof
from config.wiring import Services
from processes.postgres import PostgresServer
from reconcile.sweep import Sweep
from tasks.poller import NOTIFY_THREADS, Poller, Workers
from tests.tasks.receivers import open_receiver
from tests.tasks.receiving import eventually
from tests.tasks.ward import Ward
from tests.ward_services import services_of, settings_for


@pytest.fixture
def services(ward: Ward, free_port: int, tmp_path: Path) -> Iterator[Services]:
    """Services whose Redis is not there at all."""
    with services_of(ward, f"redis://127.0.0.1:{free_port}/0", tmp_path, callbacks_allow_loopback=True) as services:
        yield services


def register(ward: Ward, url: str) -> None:
    ward.query(
        "INSERT INTO endpoints (id, tenant, app, url, secret)"
        " VALUES (%(id)s, 't1', 'app', %(url)s, 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD')",
        id=uuid4(),
        url=url,
    )


@contextmanager
def polling(services: Services, threads: int = 2) -> Iterator[Poller]:
    poller = Poller(services, threads=threads)
    thread = threading.Thread(target=poller.run)
    thread.start()
    try:
        yield poller
    finally:
        poller.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_writes_go_on_without_redis(ward: Ward, services: Services) -> None:
    """Trap 15: any outage of Redis would otherwise stop clinical writes."""
    ward.chart.proof = Proof.READ_BACK
    accepted = [ward.submit(new={"patient_key": bytes([n])}) for n in range(5)]
    with polling(services):
        eventually(lambda: all(ward.state(one.command_id) == "verified" for one in accepted))
    assert len(ward.chart.sent) == 5
    assert all(len(ward.chart.marked(str(one.command_id))) == 1 for one in accepted)
    assert ward.is_at_rest()


def test_a_lane_keeps_its_order(ward: Ward, services: Services) -> None:
    accepted = [ward.submit() for _ in range(25)]
    with polling(services):
        eventually(lambda: all(ward.state(one.command_id) == "verified" for one in accepted), within=30)
    order = [row["command_id"] for row in ward.query("SELECT command_id FROM attempts ORDER BY id")]
    assert order == [one.command_id for one in accepted]


def test_everything_that_can_wait_is_moved_on(ward: Ward, services: Services) -> None:
    """An unknown outcome is probed, a parked command resumed, a callback sent: all of it by sweeps alone."""
    with open_receiver() as receiver:
        register(ward, receiver.url)
        ward.chart.lose_answers = 1
        unknown = ward.submit(new={"patient_key": b"1"})
        ward.run(unknown.lane_id)
        ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.UNAVAILABLE)
        parked = ward.submit(new={"patient_key": b"2"})
        ward.run(parked.lane_id)
        ward.chart.on_send = lambda _operation: None
        assert (ward.state(unknown.command_id), ward.state(parked.command_id)) == ("unknown", "parked")
        with polling(services):
            eventually(lambda: ward.state(unknown.command_id) == "verified", within=20)
            eventually(lambda: ward.state(parked.command_id) == "verified", within=20)
            eventually(lambda: len(receiver.told) >= 2, within=20)
    assert len(ward.chart.marked(str(unknown.command_id))) == 1
    assert len(ward.chart.marked(str(parked.command_id))) == 1


def test_stopping_finishes_the_turn_under_way(ward: Ward, services: Services) -> None:
    """Trap 41: a release must not make outcomes unknown."""
    inside, go_on = threading.Event(), threading.Event()

    def slow(_operation: Operation) -> Settlement | None:
        inside.set()
        assert go_on.wait(20)
        return None

    ward.chart.on_send = slow
    accepted = ward.submit()
    poller = Poller(services, threads=1)
    thread = threading.Thread(target=poller.run)
    thread.start()
    assert inside.wait(20)
    poller.stop()
    assert thread.is_alive()
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
    assert ward.state(accepted.command_id) == "verified"


def test_it_waits_for_a_postgresql_that_restarts(
    ward: Ward, services: Services, postgres_server: PostgresServer
) -> None:
    with polling(services):
        postgres_server.kill()
        postgres_server.start()
        accepted = ward.submit()
        eventually(lambda: ward.state(accepted.command_id) == "verified", within=30)
    assert len(ward.chart.sent) == 1


def test_one_command_s_trouble_does_not_stop_the_others(ward: Ward, services: Services) -> None:
    broken = ward.submit(new={"patient_key": b"1"})

    def fail(operation: Operation) -> Settlement | None:
        if operation.mark == str(broken.command_id):
            raise ZeroDivisionError
        return None

    ward.chart.on_send = fail
    fine = ward.submit(new={"patient_key": b"2"})
    with capture_logs() as lines, polling(services):
        eventually(lambda: ward.state(fine.command_id) == "verified")
    assert "poller.failed" in {line["action"] for line in lines}


def test_the_same_lane_is_not_taken_twice_and_no_more_than_threads_can_do(ward: Ward, services: Services) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(_operation: Operation) -> Settlement | None:
        inside.set()
        assert go_on.wait(20)
        return None

    ward.chart.on_send = slow
    accepted = ward.submit()
    assert accepted.lane_id is not None
    workers = Workers(services, threads=1)
    assert workers.dispatch(accepted.lane_id)
    assert inside.wait(20)
    assert not workers.dispatch(accepted.lane_id)
    taken = [workers.dispatch(1_000_000 + number) for number in range(20)]
    assert taken.count(True) == 8
    told = [workers.notify(number) for number in range(100)]
    assert 0 < told.count(True) < 100
    go_on.set()
    workers.close()
    assert not workers.dispatch(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"


def test_a_sweep_that_is_not_due_is_not_run(services: Services) -> None:
    runs: list[str] = []

    def count(name: str) -> Any:
        def run_once(_services: Services, _hands: object) -> dict[str, int]:
            runs.append(name)
            return {}

        return run_once

    time = [0.0]
    sweeps = {
        name: Sweep(name=name, every=timedelta(seconds=every), run_once=count(name))
        for name, every in (("due", 1), ("parked", 5))
    }
    poller = Poller(services, threads=1, sweeps=sweeps, monotonic=lambda: time[0])
    for now in (0.0, 0.5, 1.0, 4.9, 5.0, 6.0):
        time[0] = now
        poller._run_due()
    poller.stop()
    assert runs == ["due", "parked", "due", "due", "parked", "due"]


def test_it_stops_cleanly_when_it_is_told_to(ward: Ward, free_port: int, tmp_path: Path) -> None:
    settings = settings_for(ward, f"redis://127.0.0.1:{free_port}/0", tmp_path)
    names = ("database_url", "redis_url", "connections_file", "pool_size", "worker_threads")
    environment = {f"WRITEBACK_{name.upper()}": str(getattr(settings, name)) for name in names}
    code = (
        "from config.environment import read_settings; from tasks.poller import run_poller; run_poller(read_settings())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=Path(__file__).parents[2]
    )
    try:
        eventually(lambda: bool(ward.query("SELECT 1 FROM sweeps WHERE name = 'due'")), within=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()


def test_receivers_that_are_silent_do_not_keep_a_write_waiting(ward: Ward, services: Services) -> None:
    go_on = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        assert go_on.wait(30)
        handler.close_connection = True

    with open_receiver(answer=silent) as receiver:
        for number in range(4):
            register(ward, f"{receiver.url}/{number}")
        told = [ward.submit(new={"patient_key": bytes([n])}) for n in range(5)]
        for one in told:
            ward.run(one.lane_id)
        with polling(services, threads=1):
            eventually(lambda: len(receiver.told) >= NOTIFY_THREADS)
            accepted = ward.submit(new={"patient_key": b"late"})
            eventually(lambda: ward.state(accepted.command_id) == "verified", within=3)
            go_on.set()
    assert len(ward.chart.marked(str(accepted.command_id))) == 1


def test_what_the_ehr_s_staff_accepted_is_found_and_proven_by_sweeps_alone(ward: Ward, services: Services) -> None:
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.PENDING_REMOTE, status=202)
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "pending_remote"
    body = ward.query("SELECT p.content FROM operations o JOIN payloads p ON p.digest = o.body_digest")[0]["content"]
    ward.chart.resources["Observation/taken"] = (1, exact_json.parse(bytes(body)))
    with polling(services):
        eventually(lambda: ward.state(accepted.command_id) == "verified")
    assert ward.events(accepted.command_id)[-2:] == ["became_visible", "proven"]
    assert ward.chart.sent == []
