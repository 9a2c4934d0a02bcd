"""Traps 2, 3, 12, 13, 14, 15, 17, 18, 27, 28 and 44: whatever becomes of Redis, writes go on, and each of them once.

One worker, the poller and the door speak to a real Valkey through the proxy.
"""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import redis

from canonical.errors import StoreUnavailableError
from processes.valkey import ValkeyServer
from tests.faults.harness import SOON, Product
from tests.faults.proxy import Cut, Mode, TcpProxy, Way

AWAY = timedelta(minutes=1)
DISPATCH = b'"task": "lane.dispatch"'


@pytest.fixture(scope="module")
def product(installation: Product) -> Product:
    installation.start("worker-1")
    installation.start("poller")
    return installation


@pytest.fixture(autouse=True)
def redis_is_back(product: Product, valkey_server: ValkeyServer, redis_proxy: TcpProxy) -> Iterator[None]:
    """Each test begins with a worker that was seen to consume."""
    _wait_until_worker_consumes(product)
    redis_proxy.fired.clear()
    yield
    redis_proxy.forget_cuts()
    valkey_server.start()
    redis_proxy.mode = Mode.PASS
    product.sandbox.faults()


def _claimed_by_worker(product: Product, command: UUID) -> bool:
    sql = "SELECT actor FROM events WHERE command_id = %(id)s AND trigger = 'claimed'"
    pid = product.status("worker-1").pid
    return any(row["actor"].endswith(f":{pid}") for row in product.query(sql, id=command))


def _wait_until_worker_consumes(product: Product, *, within: timedelta = SOON) -> None:
    """Submit until the worker, and not the poller, takes one: hints come in order, so none from before is left then.

    Each is a lane of its own: in one lane, the hint of an earlier command would have the worker take the next one.
    """

    def consumed() -> bool:
        command = product.submit()
        product.wait_for(command, "verified")
        return _claimed_by_worker(product, command)

    product.wait(consumed, within=within, what="a worker that consumes")


def _refused_at(port: int) -> float:
    """Knock, and return when nobody answered, by our own clock in seconds."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    return time.monotonic()


def _queued(valkey_server: ValkeyServer) -> int:
    with redis.Redis.from_url(valkey_server.url) as client:
        return sum(int(client.llen(key)) for key in client.keys("*wb.dispatch*") if client.type(key) == b"list")


def test_a_hint_lost_between_redis_and_the_worker_costs_only_time(
    product: Product, valkey_server: ValkeyServer, redis_proxy: TcpProxy
) -> None:
    """Trap 2: Redis has given the message away, and it arrives nowhere."""
    redis_proxy.cut("popped", DISPATCH, way=Way.REPLY, cut=Cut.BEFORE)
    command = product.submit()

    product.wait(lambda: redis_proxy.fired["popped"] == 1, what="the loss")
    product.assert_good()

    assert _queued(valkey_server) == 0
    assert not _claimed_by_worker(product, command), "nobody could have hinted it a second time"


def test_redis_emptied_and_killed_right_after_the_receipts_loses_nothing(
    product: Product, valkey_server: ValkeyServer
) -> None:
    """Trap 3."""
    before = valkey_server.pid
    commands = [product.submit() for _ in range(10)]
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    valkey_server.kill()
    commands += [product.submit() for _ in range(5)]

    product.assert_good()

    valkey_server.start()
    assert valkey_server.pid != before
    assert all(product.times_written(command) == 1 for command in commands)
    _wait_until_worker_consumes(product)


@pytest.mark.timeout(300)  # the minute itself, and what the other tests have
def test_writes_go_on_in_order_while_redis_is_away_for_a_minute(
    product: Product, valkey_server: ValkeyServer, redis_proxy: TcpProxy
) -> None:
    """Trap 15: also for a poller that was started when there was no Redis; what comes in is proven meanwhile."""
    valkey_server.kill()
    redis_proxy.mode = Mode.REFUSE
    product.stop("poller")
    product.start("poller")
    accepted, refused_first = redis_proxy.fired["accepted"], _refused_at(redis_proxy.port)
    rounds: list[tuple[UUID, UUID]] = []
    slowest = 0.0
    while _refused_at(redis_proxy.port) - refused_first < AWAY.total_seconds():
        patient, given = product.new_patient(), time.monotonic()
        reading = product.submit(patient)
        correction = product.submit(patient, corrects=reading)
        slowest = max(slowest, time.monotonic() - given)
        product.wait_for(correction, "verified")
        rounds.append((reading, correction))

    _refused_at(valkey_server.port)
    assert redis_proxy.fired["accepted"] == accepted, "somebody got through within the minute"
    product.assert_good()
    marks = [item.mark for item in product.written()]
    assert len(rounds) >= 6
    for reading, correction in rounds:
        assert [mark for mark in marks if mark in {str(reading), str(correction)}] == [str(reading), str(correction)]
        assert not _claimed_by_worker(product, reading), "nobody could have hinted it"
    assert slowest < 2.0
    valkey_server.start()
    redis_proxy.mode = Mode.PASS
    _wait_until_worker_consumes(product)


def test_a_worker_whose_connections_went_silent_consumes_again(product: Product, redis_proxy: TcpProxy) -> None:
    """Trap 13: half-open connections, no reset; new ones work."""
    pid = product.status("worker-1").pid
    redis_proxy.mode = Mode.HALF_OPEN

    _wait_until_worker_consumes(product, within=timedelta(seconds=60))

    assert redis_proxy.fired["swallowed"] >= 1
    assert product.status("worker-1").pid == pid
    product.assert_good()


def test_a_worker_that_is_busy_while_redis_is_killed_goes_on(product: Product, valkey_server: ValkeyServer) -> None:
    """Trap 14: it must neither exit nor lose what it is at."""
    status = product.status("worker-1")
    product.sandbox.faults(
        {"id": "slow", "fault": "delay", "match": {"method": "POST"}, "parameters": {"seconds": 0.8, "when": "before"}}
    )
    commands = [product.submit() for _ in range(4)]
    product.wait(lambda: product.sandbox.fired()["slow"] >= 1, what="a busy worker")
    valkey_server.kill()
    product.assert_good()
    valkey_server.start()

    _wait_until_worker_consumes(product)
    assert product.status("worker-1").pid == status.pid
    assert product.status("worker-1").restarts == status.restarts
    assert all(product.attempts(command) == [("send", "applied")] for command in commands)


def test_a_hint_that_comes_many_times_at_once_leads_to_one_request(product: Product, redis_proxy: TcpProxy) -> None:
    """Trap 12: a message doubled by a broker, as a delayed one would be, doubles nothing."""
    redis_proxy.cut("hints", DISPATCH, cut=Cut.NOT, times=100)
    commands = [product.submit() for _ in range(3)]
    for command in commands:
        lane = product.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)[0]["lane_id"]
        for _ in range(5):
            assert product.door.hints.dispatch(lane)

    product.assert_good()
    assert redis_proxy.fired["hints"] >= 3 * 6
    assert all(product.attempts(command) == [("send", "applied")] for command in commands)


def test_a_hint_in_another_form_is_ignored_and_the_worker_goes_on(product: Product) -> None:
    """Trap 44: a worker of an old release meets the message of a new one, and the other way round."""
    app = product.door.hints._app
    for message in ({"v": 99, "lane": 1}, {"lane": 1}, [7], "lane 7", None):
        app.send_task("lane.dispatch", args=(message,), queue="wb.dispatch", ignore_result=True)
    app.send_task("lane.unheard-of", args=({"v": 1},), queue="wb.dispatch", ignore_result=True)
    pid = product.status("worker-1").pid

    product.wait(lambda: product.log("worker-1").count("hint.ignored") == 5, what="five ignored hints")
    _wait_until_worker_consumes(product)

    assert product.status("worker-1").pid == pid
    product.assert_good()


def test_a_lane_lock_whose_answer_was_lost_locks_nobody_out_for_ever(
    product: Product, valkey_server: ValkeyServer, redis_proxy: TcpProxy
) -> None:
    """Trap 27: Redis holds the lock, and its holder does not know."""
    patient = product.new_patient()
    redis_proxy.cut("lock", lambda seen: b"EVALSHA" in seen and b":lane:" in seen and b":knocked" in seen)

    def lost() -> bool:
        # For some seconds after an outage the worker does not ask for locks at all.
        product.wait_for(product.submit(patient), "verified")
        return redis_proxy.fired["lock"] == 1

    product.wait(lost, what="the loss")
    product.assert_good()

    with redis.Redis.from_url(valkey_server.url) as client:
        left = [key for key in client.keys("*:lane:*") if client.ttl(key) == -1]
    assert left == [], "every lock must end by itself"
    product.submit(patient)
    product.assert_good()


def test_no_redis_command_is_repeated_by_the_client(
    product: Product, valkey_server: ValkeyServer, redis_proxy: TcpProxy
) -> None:
    """Trap 28: by default a client repeats ``INCR`` whose answer was lost, ten times."""
    client = product.door.redis
    redis_proxy.cut("answer", b"INCR", times=3)
    for _ in range(3):
        with pytest.raises(redis.ConnectionError):
            client.incr("faults:counter")
    assert redis_proxy.fired["answer"] == 3
    assert client.incr("faults:counter") == 4


def test_hints_follow_the_commit_and_never_a_rollback(product: Product, redis_proxy: TcpProxy) -> None:
    """Trap 17: a worker quicker than the commit would find nothing, or work that never was."""
    visible: list[bool] = []

    def look(seen: bytes) -> bool:
        if DISPATCH not in seen:
            return False
        visible.append(bool(product.query("SELECT 1 FROM commands WHERE key_hash = %(hash)s", hash=_hash("slow-one"))))
        return True

    redis_proxy.cut("hint", look, cut=Cut.NOT, times=100)
    product.query(_TAKES_LONG)
    product.query(_TRIGGER)
    product.submit(key="slow-one")
    product.query("DROP TRIGGER slow_commit ON commands")
    assert visible == [True]

    product.query(_FAILS)
    product.query(_TRIGGER)
    with pytest.raises(StoreUnavailableError):
        product.submit(key="never-was")
    product.query("DROP TRIGGER slow_commit ON commands")
    assert redis_proxy.fired["hint"] == 1, "a hint left for what was rolled back"
    product.assert_good()


def _hash(key: str) -> bytes:
    from canonical.idempotency import key_hash
    from tests.faults.harness import APP, TENANT

    return key_hash(TENANT, APP, key)


_TAKES_LONG = """
CREATE OR REPLACE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'
"""
_FAILS = """
CREATE OR REPLACE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE EXCEPTION ''the disk is full'' USING ERRCODE = ''53100''; END'
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON commands DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION at_commit()
"""
