import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from config.settings import Settings
from config.wiring import open_redis
from processes.valkey import ValkeyServer
from tasks.circuit import Circuit
from tasks.locks import Grip, Locks
from tests.faults.proxy import Mode, TcpProxy

SHORT = timedelta(milliseconds=150)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = open_redis(Settings(redis_url=redis_url))
    yield client
    client.close()


@pytest.fixture
def locks(client: redis.Redis) -> Locks:
    return locks_of(client)


@pytest.fixture
def proxy(valkey_server: ValkeyServer, redis_url: str) -> Iterator[TcpProxy]:
    with TcpProxy(valkey_server.port) as proxy:
        yield proxy


def locks_of(client: redis.Redis, *, lane_time: timedelta = timedelta(seconds=20)) -> Locks:
    return Locks(client, prefix="wb:test:", circuit=Circuit(), lane_time=lane_time, door_time=timedelta(seconds=5))


def keys(client: redis.Redis) -> list[bytes]:
    return sorted(key for key in client.keys("*") if isinstance(key, bytes))


def test_a_lane_is_held_by_one_worker_at_a_time(locks: Locks) -> None:
    with locks.lane(7) as first, locks.lane(7) as second, locks.lane(8) as other:
        assert first.free
        assert not second.free
        assert other.free


def test_a_lane_is_free_again_afterwards(locks: Locks, client: redis.Redis) -> None:
    with locks.lane(7) as grip:
        assert grip.free
    with locks.lane(7) as grip:
        assert grip.free
    assert keys(client) == []


def test_a_lane_is_free_again_after_an_error(locks: Locks, client: redis.Redis) -> None:
    with pytest.raises(ZeroDivisionError), locks.lane(7):
        raise ZeroDivisionError
    assert keys(client) == []


def test_every_key_expires_and_carries_the_installation_s_prefix(locks: Locks, client: redis.Redis) -> None:
    """Trap 27: a lock that never expires locks out even its own holder."""
    with locks.lane(7), locks.lane(7), locks.door(b"\x01" * 32), locks.door(b"\x01" * 32):
        found = keys(client)
        assert len(found) == 4
        assert all(key.startswith(b"wb:test:") for key in found)
        assert all(0 < int(client.pttl(key)) <= 20_000 for key in found)


def test_a_door_key_is_shown_as_its_hash_only(locks: Locks, client: redis.Redis) -> None:
    with locks.door(b"\xab" * 32):
        assert keys(client) == [b"wb:test:door:" + b"ab" * 32]


def test_who_came_in_vain_is_known_to_the_holder_at_the_end(locks: Locks) -> None:
    with locks.lane(7) as grip:
        with locks.lane(7) as other:
            assert not other.free
        assert not other.knocked
    assert grip.knocked


def test_nobody_knocked_when_nobody_came(locks: Locks) -> None:
    with locks.lane(7) as grip:
        pass
    assert not grip.knocked


def test_a_knock_is_told_to_one_holder_only(locks: Locks) -> None:
    with locks.lane(7) as first, locks.lane(7):
        pass
    with locks.lane(7) as second:
        pass
    assert (first.knocked, second.knocked) == (True, False)


def test_a_holder_that_was_away_too_long_does_not_free_the_lock_of_the_next(client: redis.Redis) -> None:
    locks = locks_of(client, lane_time=SHORT)
    with locks.lane(7) as slow:
        assert slow.free
        wait_until_gone(client, "wb:test:lane:7")
        held = locks_of(client)
        with held.lane(7) as next_one:
            assert next_one.free
            # What the slow one will do at its end, while the next one is at work.
            locks._give_back(keys=["wb:test:lane:7", "wb:test:lane:7:knocked"], args=["the token of the slow one"])
            with held.lane(7) as third:
                assert not third.free


def wait_until_gone(client: redis.Redis, key: str) -> None:
    deadline = time.monotonic() + 5
    while client.exists(key):
        assert time.monotonic() < deadline, "the lock does not expire"
        time.sleep(0.01)


def test_without_redis_work_goes_on(free_port: int) -> None:
    client = open_redis(Settings(redis_url=f"redis://127.0.0.1:{free_port}/0"))
    with locks_of(client).lane(7) as grip:
        assert grip.free
    assert not grip.knocked


def test_a_reply_lost_while_taking_does_not_lock_its_holder_out_for_ever(
    proxy: TcpProxy, valkey_server: ValkeyServer, client: redis.Redis
) -> None:
    """Trap 27: the lock was taken, its holder was not told, and goes on; the key is gone when its time is over."""
    through = open_redis(Settings(redis_url=proxy.url(valkey_server.url)))
    through.ping()
    locks = locks_of(through, lane_time=SHORT)
    with locks.lane(8):
        """The scripts are known to the server now."""
    proxy.cut("lost reply", b"EVALSHA")
    with locks.lane(7) as grip:
        assert grip.free
        assert proxy.fired["lost reply"] == 1
    wait_until_gone(client, "wb:test:lane:7")
    with locks_of(client).lane(7) as again:
        assert again.free
    through.close()


def test_a_black_hole_costs_one_caller_a_moment_and_the_others_nothing(
    proxy: TcpProxy, valkey_server: ValkeyServer
) -> None:
    through = open_redis(Settings(redis_url=proxy.url(valkey_server.url)))
    through.ping()
    locks = locks_of(through)
    proxy.mode = Mode.BLACK_HOLE
    assert timed(locks) < 1.0
    before = proxy.fired.copy()
    timed(locks)
    assert proxy.fired == before, "the others do not even ask"
    through.close()


def timed(locks: Locks) -> float:
    begun = time.monotonic()
    with locks.lane(7) as grip:
        assert grip.free
    return time.monotonic() - begun


def test_many_workers_at_one_lane_take_it_one_after_the_other(locks: Locks) -> None:
    inside, most = 0, 0
    counting = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locks.lane(7) as grip:
                if not grip.free:
                    continue
                with counting:
                    inside += 1
                    most = max(most, inside)
                with counting:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_grip_says_free_unless_somebody_is_there() -> None:
    assert Grip(free=True).knocked is False
