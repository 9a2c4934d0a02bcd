from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from canonical.errors import ConfigurationError, StoreUnavailableError
from config import wiring
from config.settings import Settings
from config.wiring import Services, build, open_redis
from tests.tasks.ward import Ward
from tests.ward_services import services_of, settings_for


@pytest.fixture
def services(ward: Ward, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    with services_of(ward, redis_url, tmp_path) as services:
        yield services


@pytest.mark.parametrize("missing", ["database_url", "redis_url"])
def test_a_process_without_its_servers_is_not_started(ward: Ward, redis_url: str, tmp_path: Path, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"WRITEBACK_{missing.upper()} is empty"):
        build(settings_for(ward, redis_url, tmp_path).model_copy(update={missing: ""}))


def test_a_process_is_not_started_on_a_database_that_may_forget(ward: Ward, redis_url: str, tmp_path: Path) -> None:
    ward.query("ALTER ROLE writeback SET synchronous_commit = off")
    try:
        with pytest.raises(ConfigurationError, match="synchronous_commit = off"):
            build(settings_for(ward, redis_url, tmp_path))
    finally:
        ward.query("ALTER ROLE writeback RESET synchronous_commit")


def test_a_process_is_not_started_when_it_may_use_up_the_sessions(ward: Ward, redis_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="database sessions"):
        build(settings_for(ward, redis_url, tmp_path, worker_threads=200))


def test_connections_of_the_file_are_known_to_the_database(services: Services, ward: Ward) -> None:
    (row,) = ward.query("SELECT adapter, max_in_flight, lease FROM connections WHERE tenant = 't1' AND name = 'north'")
    settings = services.connections["t1", "north"]
    assert (row["adapter"], row["max_in_flight"]) == ("chart", settings.max_in_flight)
    assert row["lease"] == settings.timings.lease


def test_redis_is_asked_once_and_not_for_long(redis_url: str) -> None:
    """Trap 28: redis-py repeats commands by default, and a repeated command is not the same as one."""
    client = open_redis(Settings(redis_url=redis_url))
    retry = client.get_retry()
    assert retry is not None
    assert retry.get_retries() == 0
    options: dict[str, Any] = client.connection_pool.connection_kwargs
    assert options["socket_timeout"] <= 0.5
    assert options["socket_connect_timeout"] <= 0.5
    assert client.ping()
    client.close()


def test_a_redis_that_is_not_there_is_noticed_at_once(free_port: int) -> None:
    client = open_redis(Settings(redis_url=f"redis://127.0.0.1:{free_port}/0"))
    with pytest.raises(RedisConnectionError):
        client.ping()


def test_building_needs_no_redis(ward: Ward, free_port: int, tmp_path: Path) -> None:
    with services_of(ward, f"redis://127.0.0.1:{free_port}/0", tmp_path) as services:
        assert services.watch_list.due_lanes(limit=1) == []


def test_building_says_when_postgresql_is_away(ward: Ward, redis_url: str, free_port: int, tmp_path: Path) -> None:
    away = f"postgresql://writeback@127.0.0.1:{free_port}/writeback"
    with pytest.raises(StoreUnavailableError):
        build(settings_for(ward, redis_url, tmp_path, database_url=away))


def test_a_process_builds_its_services_once(
    ward: Ward, redis_url: str, tmp_path: Path, logging_as_before: None
) -> None:
    settings = settings_for(ward, redis_url, tmp_path)
    try:
        started = wiring.start(settings)
        assert wiring.services() is started
        assert wiring.start(settings) is started
    finally:
        wiring.stop()
    assert wiring._started is None
