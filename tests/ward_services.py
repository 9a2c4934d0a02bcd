"""The services of one process on a ward's database, with its chart as the EHR: real stores, real Redis, our own port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from config.settings import Settings
from config.wiring import Services, build
from tests.tasks.ward import Ward

CONNECTIONS = """
[[connection]]
tenant = "t1"
name = "north"
adapter = "chart"
base_url = "http://127.0.0.1:9/fhir"
[connection.timings]
request = 0.2
slowest_commit = 0.05
search_lag = 0.01
margin = 0.04
send_within = 1
"""


def settings_for(ward: Ward, redis_url: str, folder: Path, **more: Any) -> Settings:
    """Return small settings for one process on the ward's database."""
    file = folder / "connections.toml"
    file.write_text(CONNECTIONS)
    usual: dict[str, Any] = {
        "database_url": ward.url,
        "redis_url": redis_url,
        "connections_file": file,
        "data_dir": folder,
        "pool_size": 4,
        "worker_threads": 2,
    }
    return Settings(**(usual | more))


@contextmanager
def services_of(ward: Ward, redis_url: str, folder: Path, **more: Any) -> Iterator[Services]:
    """Yield services whose EHR is the ward's chart."""
    services = build(
        settings_for(ward, redis_url, folder, **more),
        random=Random(1),
        opener=lambda _settings: ward.chart,
        capabilities=lambda _settings: ward.chart.capabilities,
    )
    try:
        yield services
    finally:
        services.close()
