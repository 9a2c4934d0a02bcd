import json
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis

from config.settings import Settings
from processes.valkey import ValkeyServer
from tasks.app import Role, make_celery
from tasks.circuit import Circuit
from tasks.hints import HINTS_LOST, Hints
from tasks.queues import hint, is_known
from tests.faults.proxy import Mode, TcpProxy

COMMAND = UUID("3c301eec-57ad-49f2-8cd9-1eb801350484")


@pytest.fixture
def proxy(valkey_server: ValkeyServer, redis_url: str) -> Iterator[TcpProxy]:
    with TcpProxy(valkey_server.port) as proxy:
        yield proxy


def hints_at(url: str, circuit: Circuit | None = None) -> Hints:
    return Hints(make_celery(Settings(redis_url=url), role=Role.PRODUCER), circuit=circuit or Circuit())


def queued(url: str, queue: str) -> list[dict[str, Any]]:
    with redis.Redis.from_url(url) as client:
        return [json.loads(item) for item in client.lrange(f"wb:dev:{queue}", 0, -1)]


def lost(task: str) -> float:
    return float(HINTS_LOST.labels(task)._value.get())


def timed(hints: Hints) -> tuple[bool, float]:
    begun = time.monotonic()
    return hints.dispatch(7), time.monotonic() - begun


def test_a_hint_is_a_version_and_an_opaque_id_and_is_dropped_when_stale(redis_url: str) -> None:
    assert hints_at(redis_url).dispatch(7)
    (message,) = queued(redis_url, "wb.dispatch")
    body = json.loads(b64decode(message["body"]))
    assert body[:2] == [[{"v": 1, "lane": 7}], {}]
    headers = message["headers"]
    assert headers["task"] == "lane.dispatch"
    assert headers["expires"] is not None
    assert headers["eta"] is None
    assert headers["ignore_result"] is True


def test_each_kind_of_work_has_its_queue(redis_url: str) -> None:
    hints = hints_at(redis_url)
    hints.verify(COMMAND)
    hints.notify(12)
    hints.look(5)
    (verify,) = queued(redis_url, "wb.verify")
    (notify,) = queued(redis_url, "wb.notify")
    (look,) = queued(redis_url, "wb.review")
    assert json.loads(b64decode(look["body"]))[0] == [{"v": 1, "case": 5}]
    assert json.loads(b64decode(verify["body"]))[0] == [{"v": 1, "command": str(COMMAND)}]
    assert json.loads(b64decode(notify["body"]))[0] == [{"v": 1, "callback": 12}]


def test_every_key_in_redis_carries_the_installation_s_prefix(redis_url: str) -> None:
    hints_at(redis_url).dispatch(7)
    with redis.Redis.from_url(redis_url) as client:
        assert all(key.startswith(b"wb:dev:") for key in client.keys("*"))


def test_a_hint_to_a_killed_redis_is_swallowed_and_counted(redis_url: str, valkey_server: ValkeyServer) -> None:
    hints = hints_at(redis_url)
    assert hints.dispatch(7)
    valkey_server.kill()
    before = lost("lane.dispatch")
    sent, seconds = timed(hints)
    assert not sent
    assert seconds < 1.0
    assert lost("lane.dispatch") == before + 1


def test_a_redis_that_comes_back_gets_hints_again(redis_url: str, valkey_server: ValkeyServer) -> None:
    hints = hints_at(redis_url, Circuit(open_for=timedelta(0)))
    assert hints.dispatch(7)
    valkey_server.kill()
    assert not hints.dispatch(7)
    valkey_server.start()
    assert hints.dispatch(8)
    assert len(queued(redis_url, "wb.dispatch")) >= 1


@pytest.mark.parametrize("connected", [True, False])
def test_a_black_hole_costs_one_request_less_than_a_second_and_the_next_ones_nothing(
    proxy: TcpProxy, valkey_server: ValkeyServer, *, connected: bool
) -> None:
    """Trap 18: a door must not hang because Redis does."""
    hints = hints_at(proxy.url(valkey_server.url))
    if connected:
        assert hints.dispatch(7)
    proxy.mode = Mode.BLACK_HOLE
    sent, seconds = timed(hints)
    assert not sent
    assert seconds < 1.0
    assert proxy.fired["swallowed"] > 0
    before = proxy.fired.copy()
    assert not hints.dispatch(7)
    assert proxy.fired == before, "the next one does not even ask"


def test_a_lost_reply_does_not_double_a_hint(proxy: TcpProxy, valkey_server: ValkeyServer, redis_url: str) -> None:
    """A doubled hint would do no harm; that there is one says that nothing below us repeats commands."""
    hints = hints_at(proxy.url(valkey_server.url))
    assert hints.dispatch(7)
    proxy.cut("lost reply", b"LPUSH")
    assert not hints.dispatch(8)
    assert proxy.fired["lost reply"] == 1
    assert len(queued(redis_url, "wb.dispatch")) == 2


@pytest.mark.parametrize(
    ("message", "known"),
    [(hint(lane=7), True), ({"v": 2, "lane": 7}, False), ({"lane": 7}, False), (7, False), (None, False)],
)
def test_a_hint_in_another_form_is_not_taken_for_ours(message: object, *, known: bool) -> None:
    """Trap 44: an older worker meets a newer publisher."""
    assert is_known(message) is known
