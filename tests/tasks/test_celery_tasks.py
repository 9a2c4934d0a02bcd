import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
import structlog
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.events import EventReceiver
from structlog.testing import capture_logs

from canonical.errors import StoreUnavailableError
from canonical.ports import Proof
from config import wiring
from config.wiring import Services
from processes.valkey import ValkeyServer
from tasks.app import CONSUMES, Role, make_celery
from tasks.celery_tasks import HINT_TASKS, HINTS_IGNORED, register, understood
from tasks.queues import QUEUE_OF, TaskName, hint
from tests.tasks.receivers import open_receiver
from tests.tasks.receiving import eventually
from tests.tasks.ward import Ward
from tests.ward_services import services_of


@pytest.fixture
def services(ward: Ward, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    with services_of(ward, redis_url, tmp_path, callbacks_allow_loopback=True) as services:
        monkeypatch.setattr(wiring, "_started", services)
        yield services


@contextmanager
def working(services: Services, concurrency: int = 2, role: Role = Role.DISPATCH) -> Iterator[Celery]:
    """Run a worker."""
    app = make_celery(services.settings, role=role)
    register(app, role)
    queues = [name.value for name in CONSUMES[role]]
    with start_worker(
        app,
        concurrency=concurrency,
        pool="threads",
        perform_ping_check=False,
        queues=queues,
        loglevel="WARNING",
        shutdown_timeout=30,
    ):
        yield app


def send(app: Celery, name: TaskName, message: object) -> None:
    app.send_task(name.value, args=(message,), queue=QUEUE_OF[name].value, ignore_result=True)


def ignored(name: TaskName) -> float:
    return float(HINTS_IGNORED.labels(name.value)._value.get())


def test_a_hint_moves_a_lane_until_its_write_is_proven(ward: Ward, services: Services) -> None:
    ward.chart.proof = Proof.READ_BACK
    accepted = ward.submit()
    assert accepted.lane_id is not None
    with working(services):
        services.hints.dispatch(accepted.lane_id)
        eventually(lambda: ward.state(accepted.command_id) == "verified")
    assert ward.attempts(accepted.command_id) == [("send", "applied")]
    assert len(ward.chart.marked(str(accepted.command_id))) == 1


def test_hints_doubled_many_times_write_once(ward: Ward, services: Services) -> None:
    accepted = [ward.submit() for _ in range(3)]
    with working(services):
        for _ in range(30):
            for one in accepted:
                assert one.lane_id is not None
                services.hints.dispatch(one.lane_id)
        for one in accepted:
            eventually(lambda one=one: ward.state(one.command_id) == "verified")  # type: ignore[misc]
    assert len(ward.chart.sent) == 3
    assert ward.is_at_rest()


def test_a_lane_longer_than_a_turn_hints_at_itself(ward: Ward, services: Services) -> None:
    accepted = [ward.submit() for _ in range(25)]
    with working(services):
        assert accepted[0].lane_id is not None
        services.hints.dispatch(accepted[0].lane_id)
        eventually(lambda: all(ward.state(one.command_id) == "verified" for one in accepted), within=30)
    order = [row["command_id"] for row in ward.query("SELECT command_id FROM attempts ORDER BY id")]
    assert order == [one.command_id for one in accepted]


def test_a_verify_hint_proves_and_lets_the_lane_go_on(ward: Ward, services: Services) -> None:
    ward.chart.proof = Proof.READ_BACK
    first = ward.submit()
    ward.run(first.lane_id)
    follower = ward.submit()
    with working(services):
        services.hints.verify(first.command_id)
        eventually(lambda: ward.state(follower.command_id) == "verified")
    assert ward.state(first.command_id) == "verified"


def test_a_notify_hint_sends_a_callback(ward: Ward, services: Services) -> None:
    with open_receiver() as receiver:
        ward.query(
            "INSERT INTO endpoints (id, tenant, app, url, secret)"
            " VALUES (%(id)s, 't1', 'app', %(url)s, 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD')",
            id=uuid4(),
            url=receiver.url,
        )
        ward.run(ward.submit().lane_id)
        (callback,) = services.callbacks.due(limit=5)
        with working(services, role=Role.NOTIFY):
            services.hints.notify(callback)
            eventually(lambda: len(receiver.told) == 1)


def test_a_sweep_hint_finds_what_no_hint_told_of(ward: Ward, services: Services) -> None:
    accepted = ward.submit()
    ward.query("UPDATE commands SET due_at = due_at - interval '1 minute'")
    with working(services) as app:
        send(app, TaskName.SWEEP, hint(sweep="due"))
        eventually(lambda: ward.state(accepted.command_id) == "verified")


@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
def test_a_worker_lives_through_a_redis_that_is_killed_and_comes_back_empty(
    ward: Ward, services: Services, valkey_server: ValkeyServer
) -> None:
    first = ward.submit()
    with working(services):
        assert first.lane_id is not None
        services.hints.dispatch(first.lane_id)
        eventually(lambda: ward.state(first.command_id) == "verified")
        valkey_server.kill()
        second = ward.submit(new={"patient_key": b"2"})
        assert second.lane_id is not None
        assert not services.hints.dispatch(second.lane_id)
        valkey_server.start()
        with redis.Redis.from_url(valkey_server.url) as client:
            client.flushall()
        eventually(lambda: hinted_again(services, second.lane_id), within=20)
        eventually(lambda: ward.state(second.command_id) == "verified", within=20)
    assert len(ward.chart.sent) == 2


def hinted_again(services: Services, lane_id: int | None) -> bool:
    assert lane_id is not None
    return services.hints.dispatch(lane_id)


@pytest.mark.parametrize("message", [{"v": 2, "lane": 7}, {"lane": 7}, [7], "7", None])
def test_a_hint_in_an_unknown_form_is_ignored_and_counted(message: object) -> None:
    """Trap 44: after a deployment an older worker meets newer hints."""
    done: list[Any] = []
    before = ignored(TaskName.DISPATCH)
    understood(TaskName.DISPATCH, done.append)(message)
    assert done == []
    assert ignored(TaskName.DISPATCH) == before + 1


def test_a_hint_without_its_database_is_let_go(ward: Ward) -> None:
    def away(_message: dict[str, Any]) -> None:
        raise StoreUnavailableError

    with capture_logs() as lines:
        understood(TaskName.DISPATCH, away)(hint(lane=7))
    assert [line["action"] for line in lines] == ["store.away"]


def test_one_task_s_ids_are_not_on_the_next_one_s_lines(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 39: context variables live as long as the thread."""
    seen: list[dict[str, Any]] = []

    def look(message: dict[str, Any]) -> None:
        seen.append(dict(structlog.contextvars.get_contextvars()))
        structlog.contextvars.bind_contextvars(patient=message["lane"])

    monkeypatch.setitem(HINT_TASKS, TaskName.DISPATCH, look)
    with working(services, concurrency=1) as app:
        for lane in (1, 2, 3):
            send(app, TaskName.DISPATCH, hint(lane=lane))
        eventually(lambda: len(seen) == 3)
    assert all("patient" not in context for context in seen)
    assert all(context["task"] == "lane.dispatch" for context in seen)


def test_a_defect_is_in_our_log_and_nothing_of_it_in_celerys_events(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of an exception may quote what it failed on, and events are for every monitor to read."""

    def fail(_message: dict[str, Any]) -> None:
        {"Patient/p1": 1}["Quillfeather 185/120"]

    monkeypatch.setitem(HINT_TASKS, TaskName.DISPATCH, fail)
    failed: list[dict[str, Any]] = []
    with working(services, concurrency=1) as app, capture_logs() as lines:
        receiver = EventReceiver(app.connection(), handlers={"task-failed": failed.append}, app=app)
        with receiver.consumer_context() as (connection, _channel, _consumers):
            with suppress(TimeoutError):
                # The subscription is made when events are first looked for.
                connection.drain_events(timeout=0.3)
            send(app, TaskName.DISPATCH, hint(lane=7))
            while not failed:
                connection.drain_events(timeout=10)
    told = json.dumps(failed, default=str)
    assert failed[0]["exception"] == 'HintFailedError("the service\'s log names the defect")'
    assert not [word for word in ("Quillfeather", "185/120", "Patient/p1", "KeyError", "in fail") if word in told]
    (line,) = [line for line in lines if line.get("action") == "hint.failed"]
    assert isinstance(line["exc_info"], KeyError)
