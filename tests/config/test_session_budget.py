import pytest

from canonical.errors import ConfigurationError
from config.session_budget import check_session_budget, sessions_wanted
from config.settings import Settings
from store.database import open_engine


def test_sessions_are_lanes_under_way_and_the_pools_of_all_processes() -> None:
    settings = Settings(worker_threads=10, worker_processes=3, pool_size=5)
    assert sessions_wanted(settings) == 10 * 4 + 5 * 8


def test_the_default_installation_fits_the_embedded_server(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url, pool_size=1)
    check_session_budget(engine, Settings())
    engine.dispose()


def test_more_sessions_than_postgresql_admits_are_refused_before_the_first_is_needed(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url, pool_size=1)
    with pytest.raises(ConfigurationError, match="WRITEBACK_WORKER_THREADS") as refused:
        check_session_budget(engine, Settings(worker_threads=100))
    assert "may open 356 database sessions" in str(refused.value)
    engine.dispose()
