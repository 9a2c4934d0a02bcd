import base64
import json
import pickle
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from celery.events import EventReceiver
from joserfc.jwk import ECKey
from kombu.connection import Connection
from kombu.entity import Exchange
from kombu.messaging import Producer

from config import wiring
from processes.postgres import PostgresServer
from tasks.app import Role, make_celery
from tests.reception import give_consent, open_services
from tests.tasks.receiving import Installation, eventually, receiving, write_apps

#: Celery 5.7 stores results by a method that redis-py 8 calls outdated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@pytest.fixture
def installation(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "k1"})
    with open_services(database_url, redis_url, tmp_path, apps_file=write_apps(tmp_path, key)) as services:
        give_consent(services)
        monkeypatch.setattr(wiring, "_started", services)
        yield Installation(services=services, redis_url=redis_url, key=key)


@pytest.fixture
def working(installation: Installation) -> Iterator[Installation]:
    with receiving(installation.services):
        yield installation


def test_an_app_with_nothing_but_celery_gets_its_receipt(working: Installation) -> None:
    """The contract: task and queue by name, one JSON object, no import of ours."""
    sent = working.send_elsewhere(working.message(key="visit-000001"))
    assert sent["ours"] == []
    (command,) = working.commands()
    assert sent["answer"] == {"id": str(command["id"]), "status": "pending"}
    assert (command["tenant"], command["app"], command["state"]) == ("north", "visits", "ready")
    with working.redis() as client:
        assert client.llen("wb:dev:wb.dispatch") == 1


def test_the_result_is_gone_soon_and_holds_an_id_and_a_status(working: Installation) -> None:
    result = working.send(working.message())
    assert set(result.get(timeout=15)) == {"id", "status"}
    with working.redis() as client:
        key = f"wb:dev:celery-task-meta-{result.id}"
        kept = client.get(key)
        assert isinstance(kept, bytes)
        assert set(json.loads(kept)["result"]) == {"id", "status"}
        assert json.loads(kept).get("args") is None
        assert 0 < client.ttl(key) <= 3600


def test_a_message_that_comes_twice_is_one_command(working: Installation) -> None:
    message = working.message()
    first = working.send(message).get(timeout=15)
    second = working.send(message).get(timeout=15)
    assert first == second
    assert len(working.commands()) == 1


def test_what_is_refused_is_kept_with_its_reason_and_told_to_the_sender(working: Installation) -> None:
    message = working.message() | {"body": "{}"}
    assert working.send(message).get(timeout=15) == {"refused": "signature-invalid"}
    (refused,) = working.refusals()
    assert (refused["door"], refused["code"], refused["tenant"]) == ("celery", "signature-invalid", "?")
    assert json.loads(refused["content"])["body"] == "{}"
    assert working.commands() == []


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((), {"message": 1}), ((1, 2), {}), (("text",), {}), ((["list"],), {}), ((None,), {})],
)
def test_a_call_of_another_shape_is_kept(working: Installation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert working.send(*args, kwargs=kwargs).get(timeout=15) == {"refused": "malformed-message"}
    (refused,) = working.refusals()
    assert refused["content"] is not None
    eventually(working.queue_is_empty)


@pytest.mark.parametrize("options", [{"countdown": 3600}, {"expires": 3600}, {"expires": 0.001}])
def test_a_delay_or_an_expiry_is_refused_at_once_and_the_message_kept(
    working: Installation, options: dict[str, float]
) -> None:
    """Held in a worker's memory or dropped unseen: neither is for a clinical action's only copy."""
    message = working.message()
    assert working.send(message, **options).get(timeout=15) == {"refused": "delivery-options-unsupported"}
    (refused,) = working.refusals()
    kept = json.loads(refused["content"])
    assert kept["args"][0]["body"] == message["body"]
    assert "token" not in kept["args"][0]
    assert working.commands() == []


def publish(working: Installation, body: bytes, *, headers: dict[str, Any], content_type: str) -> None:
    """Publish below Celery: whatever bytes, headers and content type."""
    options = {"global_keyprefix": "wb:dev:"}
    with Connection(working.redis_url, transport_options=options) as connection:  # type: ignore[no-untyped-call]
        Producer(connection.channel(), Exchange("")).publish(  # type: ignore[no-untyped-call]
            body,
            routing_key="wb.receive",
            headers=headers,
            content_type=content_type,
            content_encoding="utf-8" if content_type == "application/json" else "binary",
        )


HEADERS = {"task": "command.receive", "id": "a-task", "lang": "py", "argsrepr": "", "kwargsrepr": ""}


@pytest.mark.parametrize(
    ("body", "headers", "content_type", "code"),
    [
        (b"this is not JSON", HEADERS, "application/json", "message-malformed"),
        (pickle.dumps(([{"a": 1}], {}, None)), HEADERS, "application/x-python-serialize", "message-malformed"),
        (b"[[{}], {}, {}]", {"id": "a-task"}, "application/json", "message-malformed"),
        (b"[[{}], {}, {}]", {"task": "command.receive"}, "application/json", "message-malformed"),
        (b"[[{}], {}]", HEADERS, "application/json", "message-malformed"),
        (b'["text", {}, {}]', HEADERS, "application/json", "message-malformed"),
        (b'[[{}], "text", {}]', HEADERS, "application/json", "message-malformed"),
        (b'"text"', HEADERS, "application/json", "message-malformed"),
        (b"[[{}], {}, {}]", HEADERS | {"task": "command.recieve"}, "application/json", "task-unknown"),
        (b"[[{}], {}, {}]", HEADERS | {"task": "lane.dispatch"}, "application/json", "task-unknown"),
    ],
)
def test_what_celery_would_drop_is_kept_and_the_worker_goes_on(
    working: Installation, body: bytes, headers: dict[str, Any], content_type: str, code: str
) -> None:
    publish(working, body, headers=headers, content_type=content_type)
    eventually(lambda: len(working.refusals()) == 1)
    (refused,) = working.refusals()
    assert (refused["door"], refused["code"]) == ("celery", code)
    assert bytes(refused["content"]) == body
    assert working.send(working.message()).get(timeout=15)["status"] == "pending"
    eventually(working.queue_is_empty)


@pytest.mark.parametrize("header", [{"timelimit": "soon"}, {"eta": "never"}, {"expires": "never"}, {"retries": "x"}])
def test_a_header_that_makes_no_sense_loses_nothing(working: Installation, header: dict[str, Any]) -> None:
    body = json.dumps([[working.message()], {}, {}]).encode()
    publish(working, body, headers=HEADERS | header, content_type="application/json")
    eventually(lambda: len(working.commands()) + len(working.refusals()) == 1)
    eventually(working.queue_is_empty)


def test_a_message_waits_while_postgresql_is_away_and_is_accepted_afterwards(
    working: Installation, postgres_server: PostgresServer
) -> None:
    postgres_server.kill()
    try:
        result = working.send(working.message())
        eventually(lambda: not working.queue_is_empty())
    finally:
        postgres_server.start()
    assert result.get(timeout=30)["status"] == "pending"
    assert len(working.commands()) == 1
    eventually(working.queue_is_empty)


def test_a_message_whose_worker_died_is_given_to_the_next_one(installation: Installation) -> None:
    """Only here is a message acknowledged late: Redis has the only copy until it is stored."""
    installation.send(installation.message())
    app = make_celery(installation.services.settings, role=Role.RECEIVE)
    connection = app.connection()
    channel = connection.default_channel
    assert channel.basic_get("wb.receive") is not None
    # The process is gone: its sockets are closed, nothing is given back.
    channel._disconnect_pools()
    with installation.redis() as client:
        assert client.llen("wb:dev:wb.receive") == 0
        assert client.hlen("wb:dev:unacked") == 1
    with receiving(installation.services, visibility_timeout=1):
        eventually(lambda: len(installation.commands()) == 1)
        eventually(installation.queue_is_empty)


def test_a_failure_of_ours_keeps_the_message(working: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_message: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(working.services.message_door, "handle_message", broken)
    message = working.message()
    assert working.send(message).get(timeout=15) == {"refused": "internal-error"}
    (refused,) = working.refusals()
    assert json.loads(refused["content"])["args"][0]["body"] == message["body"]


def test_a_message_cannot_be_revoked(working: Installation) -> None:
    """Whoever reaches the broker could make a clinical action disappear."""
    app = make_celery(working.services.settings, role=Role.RECEIVE)
    task_id = "0e0c9a9e-8f30-4d35-9f5f-6a8f6f0f7c11"
    answers = app.control.revoke(task_id, reply=True, timeout=5, limit=1)
    assert "revoked" in json.dumps(answers)
    working.send(working.message(), task_id=task_id)
    eventually(lambda: len(working.commands()) == 1)
    eventually(working.queue_is_empty)


def test_nothing_of_a_body_shows_in_events_or_remote_control_whatever_the_sender_set(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 16: Flower shows what events carry, and remote control what a worker holds."""
    token = "Lo" + "pez-1961"
    inside, go_on = threading.Event(), threading.Event()
    handle = installation.services.message_door.handle_message

    def slow(message: object) -> Any:
        inside.set()
        assert go_on.wait(20)
        return handle(message)

    monkeypatch.setattr(installation.services.message_door, "handle_message", slow)
    app = make_celery(installation.services.settings, role=Role.FLOWER)
    events: list[dict[str, Any]] = []
    with receiving(installation.services), app.connection() as known:
        receiver = EventReceiver(known, handlers={"*": events.append}, app=app)
        with receiver.consumer_context() as (connection, _channel, _consumers):
            with suppress(TimeoutError):
                # The subscription is made when events are first looked for.
                connection.drain_events(timeout=0.3)
            result = installation.send(
                installation.message() | {"note": token}, argsrepr=token, kwargsrepr=token, shadow=token
            )
            assert inside.wait(20)
            inspected = app.control.inspect(timeout=1)
            held = [inspected.active(), inspected.reserved(), inspected.query_task(result.id)]
            go_on.set()
            result.get(timeout=15)
            drain(connection, events)
    seen = json.dumps([events, held], default=str)
    assert "(withheld)" in json.dumps(held, default=str)
    received = next(event for event in events if event["type"] == "task-received")
    assert (received["args"], received["name"]) == ("(withheld)", "command.receive")
    assert token not in seen
    assert "72.50" not in seen


def drain(connection: Any, events: list[dict[str, Any]]) -> None:
    while not any(event["type"] == "task-succeeded" for event in events):
        connection.drain_events(timeout=10)


def test_nothing_of_a_body_stays_in_redis(working: Installation) -> None:
    result = working.send(working.message())
    identifier = UUID(result.get(timeout=15)["id"])
    eventually(working.queue_is_empty)
    with working.redis() as client:
        kept = b"".join(client.dump(key) or b"" for key in client.keys("*"))
    for token in (b"Lopez", b"72.50", b"1961-04-02", base64.b64encode(b"Lopez")):
        assert token not in kept
    assert identifier == working.commands()[0]["id"]


def test_no_credential_is_kept_of_what_celery_would_drop(working: Installation) -> None:
    message = working.message()
    body = json.dumps([[message], {}, {}]).encode()
    publish(working, body, headers=HEADERS | {"task": "command.recieve"}, content_type="application/json")
    eventually(lambda: len(working.refusals()) == 1)
    (refused,) = working.refusals()
    assert message["token"].encode() not in bytes(refused["content"])
    assert json.loads(refused["content"]) == [[message | {"token": ""}], {}, {}]
