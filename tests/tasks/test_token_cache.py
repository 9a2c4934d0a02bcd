"""Access tokens that several processes share through a real Redis, and what is left when it goes away."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from cryptography.fernet import Fernet, MultiFernet

from adapters.tokens import Tokens, open_tokens
from canonical.errors import ConfigurationError, EhrUnavailableError
from canonical.token_cache import SharedFailure, SharedToken
from config.settings import Settings
from config.wiring import open_redis
from processes.valkey import ValkeyServer
from tasks.circuit import Circuit
from tasks.locks import Locks
from tasks.token_cache import RedisTokenCache, read_token_keys
from tests.adapters.access.endpoint import granted, now
from tests.adapters.raw_server import RawServer, answering, http, read_request
from tests.faults.proxy import Mode, TcpProxy

KEY = Fernet.generate_key()
TOKEN = SharedToken(value="hunter2-token", scope="system/Patient.rs", seconds=60)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = open_redis(Settings(redis_url=redis_url))
    yield client
    client.close()


@pytest.fixture
def cache(client: redis.Redis) -> RedisTokenCache:
    return cache_of(client)


def cache_of(client: redis.Redis, *keys: bytes, prefix: str = "wb:test:", **times: timedelta) -> RedisTokenCache:
    circuit = Circuit()
    locks = Locks(client, prefix=prefix, circuit=circuit, **times)
    seal = MultiFernet([Fernet(key) for key in keys or (KEY,)])
    return RedisTokenCache(client, prefix=prefix, circuit=circuit, locks=locks, seal=seal)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str, RedisTokenCache], Tokens]]:
    """Opens what one process would open for the connection; closed at the end."""
    (tmp_path / "secret").write_text("hunter2")
    everything: list[Tokens] = []

    def open_one(token_url: str, cache: RedisTokenCache) -> Tokens:
        auth = {
            "kind": "client_secret_post",
            "token_url": token_url,
            "client_id": "writeback",
            "client_secret_file": str(tmp_path / "secret"),
            "scope": "system/Patient.rs",
        }
        everything.append(open_tokens(auth, clock=now, owner="t1/north", cache=cache))
        return everything[-1]

    yield open_one
    for tokens in everything:
        tokens.close()


Opened = Callable[[str, RedisTokenCache], Tokens]


# -- what lies in Redis


def test_a_token_is_found_by_its_name_with_what_is_left_of_its_life(cache: RedisTokenCache) -> None:
    assert cache.entry("n") is None
    cache.keep("n", TOKEN)
    found = cache.entry("n")
    assert isinstance(found, SharedToken)
    assert (found.value, found.scope) == (TOKEN.value, TOKEN.scope)
    assert 50 < found.seconds <= 60
    assert cache.entry("other") is None


def test_nothing_of_a_token_can_be_read_in_redis(cache: RedisTokenCache, client: redis.Redis) -> None:
    cache.keep("n", TOKEN)
    (key,) = client.keys("*")
    stored = client.get(key)
    assert key == b"wb:test:token:n"
    assert isinstance(stored, bytes)
    assert b"hunter2" not in stored
    assert b"Patient" not in stored
    assert 0 < int(client.pttl(key)) <= 60_000


@pytest.mark.parametrize("seconds", [0, 0.0001, -1])
def test_a_token_without_any_life_is_not_kept(cache: RedisTokenCache, client: redis.Redis, seconds: float) -> None:
    cache.keep("n", SharedToken(value="t", scope=None, seconds=seconds))
    assert client.keys("*") == []


def test_an_entry_of_another_key_is_no_entry(cache: RedisTokenCache, client: redis.Redis) -> None:
    cache.keep("n", TOKEN)
    assert cache_of(client, Fernet.generate_key()).entry("n") is None


def test_keys_are_exchanged_one_after_the_other(cache: RedisTokenCache, client: redis.Redis) -> None:
    cache.keep("n", TOKEN)
    new = Fernet.generate_key()
    both = cache_of(client, new, KEY)
    assert both.entry("n") is not None
    both.keep("n", TOKEN)
    assert cache_of(client, new).entry("n") is not None


def test_an_entry_moved_to_another_name_opens_to_nothing(cache: RedisTokenCache, client: redis.Redis) -> None:
    """Whoever can write to Redis could otherwise have one EHR's token sent to another."""
    cache.keep("n", TOKEN)
    client.copy("wb:test:token:n", "wb:test:token:other")
    assert cache.entry("other") is None


@pytest.mark.parametrize("planted", [b"", b"x", Fernet(KEY).encrypt(b"[]"), Fernet(KEY).encrypt(b'{"name":"n"}')])
def test_what_is_no_entry_is_as_good_as_none(cache: RedisTokenCache, client: redis.Redis, planted: bytes) -> None:
    client.set("wb:test:token:n", planted, px=1000)
    assert cache.entry("n") is None
    client.persist("wb:test:token:n")
    assert cache.entry("n") is None


def test_a_token_is_dropped_only_while_it_is_the_one_there(cache: RedisTokenCache) -> None:
    cache.keep("n", TOKEN)
    cache.drop("n", "an older one")
    assert cache.entry("n") is not None
    cache.drop("n", TOKEN.value)
    assert cache.entry("n") is None


def test_a_token_is_prolonged_only_while_it_is_the_one_there(cache: RedisTokenCache) -> None:
    cache.keep("n", TOKEN)
    cache.prolong("n", "an older one", 600)
    found = cache.entry("n")
    assert isinstance(found, SharedToken)
    assert found.seconds <= 60
    cache.prolong("n", TOKEN.value, 600)
    found = cache.entry("n")
    assert isinstance(found, SharedToken)
    assert found.seconds > 60


def test_a_failure_never_hides_a_token(cache: RedisTokenCache) -> None:
    failure = SharedFailure(reason="throttled", seconds=60)
    cache.keep_failure("n", failure)
    found = cache.entry("n")
    assert isinstance(found, SharedFailure)
    assert found.reason == "throttled"
    cache.keep("n", TOKEN)
    cache.keep_failure("n", failure)
    assert isinstance(cache.entry("n"), SharedToken)


def test_the_right_to_ask_is_one_process_s_at_a_time_and_ends_by_itself(client: redis.Redis) -> None:
    cache = cache_of(client, token_time=timedelta(milliseconds=100))
    with cache.asking("n") as first, cache.asking("n") as second, cache.asking("other") as other:
        assert (first, second, other) == (True, False, True)
        wait_until(lambda: not client.exists("wb:test:token:n:asking"))
        with cache.asking("n") as third:
            assert third


# -- several processes


def test_two_processes_that_race_for_a_token_ask_once(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """The first one gets its answer only after the second one came in vain."""
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "token.key").write_bytes(KEY)

    def answer_when_both_are_there(connection: socket.socket) -> None:
        read_request(connection)
        wait_until(lambda: len(client.keys("wb:test:token:*:asking:knocked")) == 1, seconds=30)
        connection.sendall(granted("shared", expires_in=300))

    with RawServer(answer_when_both_are_there) as server:
        command = [sys.executable, "-m", "tests.tasks.asking_process", redis_url, str(tmp_path), server.url]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        printed = [process.communicate(timeout=60)[0].strip() for process in started]
        assert printed == ["shared", "shared"]
        assert server.connections == 1


def test_a_refused_token_is_asked_for_once_by_all(opened: Opened, client: redis.Redis) -> None:
    with RawServer(answering(granted("a")), answering(granted("b")), answering(granted("c"))) as server:
        first, second = (opened(server.url, cache_of(client)) for _ in range(2))
        assert [first.bearer(5), second.bearer(5)] == ["a", "a"]
        first.refused("a")
        assert first.bearer(5) == "b"
        # The second one learns of it later, and must not throw the new token away.
        second.refused("a")
        assert second.bearer(5) == "b"
        assert server.connections == 2


def test_a_throttled_endpoint_is_left_alone_by_all(opened: Opened, client: redis.Redis) -> None:
    with RawServer(answering(http("429 Slow", "Retry-After: 30"))) as server:
        for _ in range(3):
            with pytest.raises(EhrUnavailableError) as caught:
                opened(server.url, cache_of(client)).bearer(5)
            assert caught.value.reason == "throttled"
            assert caught.value.retry_after is not None
            assert timedelta(seconds=25) < caught.value.retry_after <= timedelta(seconds=30)
        assert server.connections == 1


# -- without Redis


def test_without_redis_each_process_asks_for_its_own(opened: Opened, free_port: int) -> None:
    away = open_redis(Settings(redis_url=f"redis://127.0.0.1:{free_port}/0"))
    with RawServer(answering(granted())) as server:
        first, second = (opened(server.url, cache_of(away)) for _ in range(2))
        assert [first.bearer(5), second.bearer(5), first.bearer(5), second.bearer(5)] == ["t"] * 4
        assert server.connections == 2
    away.close()


def test_redis_killed_in_between_costs_one_more_request(
    opened: Opened, client: redis.Redis, valkey_server: ValkeyServer
) -> None:
    with RawServer(answering(granted("a")), answering(granted("b")), answering(granted("c"))) as server:
        first, second = (opened(server.url, cache_of(client)) for _ in range(2))
        assert [first.bearer(5), second.bearer(5)] == ["a", "a"]
        valkey_server.kill()
        assert [first.bearer(5), second.bearer(5)] == ["a", "a"]
        first.refused("a")
        assert first.bearer(5) == "b"
        assert second.bearer(5) == "a"


def test_redis_killed_while_another_process_asks_ends_the_waiting(
    opened: Opened, client: redis.Redis, valkey_server: ValkeyServer
) -> None:
    asked, release = threading.Event(), threading.Event()

    def slow(connection: socket.socket) -> None:
        read_request(connection)
        asked.set()
        release.wait(10)
        connection.sendall(granted("slow"))

    with RawServer(slow) as slow_server, RawServer(answering(granted("quick"))) as server:
        cache = cache_of(client)
        first, second = opened(slow_server.url, cache), opened(server.url, cache_of(client))
        second._name = first._name  # type: ignore[attr-defined] # one connection, reached at two addresses
        got: list[str | None] = []
        asking = threading.Thread(target=lambda: got.append(first.bearer(10)))
        asking.start()
        assert asked.wait(5)
        waiting = threading.Thread(target=lambda: got.append(second.bearer(10)))
        waiting.start()
        wait_until(lambda: len(client.keys("wb:test:token:*:asking:knocked")) == 1)
        valkey_server.kill()
        waiting.join(10)
        assert got == ["quick"]
        release.set()
        asking.join(10)
        assert got == ["quick", "slow"]


def test_a_redis_that_hangs_costs_a_moment_and_no_token(
    opened: Opened, valkey_server: ValkeyServer, redis_url: str
) -> None:
    with TcpProxy(valkey_server.port) as proxy, RawServer(answering(granted())) as server:
        through = open_redis(Settings(redis_url=proxy.url(valkey_server.url)))
        through.ping()
        proxy.mode = Mode.BLACK_HOLE
        assert opened(server.url, cache_of(through)).bearer(5) == "t"
        through.close()


# -- keys


def test_without_a_file_nothing_is_shared() -> None:
    assert read_token_keys(None) is None


def test_the_first_key_of_the_file_seals_and_all_of_them_open(tmp_path: Path) -> None:
    old, new, file = Fernet.generate_key(), Fernet.generate_key(), tmp_path / "token.key"
    file.write_bytes(new + b"\n" + old + b"\n")
    seal = read_token_keys(file)
    assert seal is not None
    assert Fernet(new).decrypt(seal.encrypt(b"x")) == b"x"
    assert seal.decrypt(Fernet(old).encrypt(b"y")) == b"y"


@pytest.mark.parametrize("content", [b"", b"hunter2", b"hunter2\n" + KEY, b"\xff\xfe"])
def test_a_file_without_keys_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token.key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="WRITEBACK_TOKEN_KEY_FILE") as refused:
        read_token_keys(file)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="WRITEBACK_TOKEN_KEY_FILE"):
        read_token_keys(tmp_path / "none")


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
