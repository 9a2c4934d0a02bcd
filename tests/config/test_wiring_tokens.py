"""The processes of an installation, built from one set of settings, share their EHRs' access tokens."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from canonical.errors import ConfigurationError
from canonical.ports import Trace
from config.settings import Settings
from config.wiring import Services, build
from tests.adapters.access.endpoint import granted, header_of, keeping
from tests.adapters.raw_server import RawServer, answering, http

CONNECTION = """
[[connection]]
tenant = "t1"
name = "north"
adapter = "fhir_r4"
base_url = "{base_url}"
[connection.auth]
kind = "client_secret_basic"
token_url = "{token_url}"
client_id = "writeback"
client_secret_file = "secret"
scope = "system/Patient.rs"
"""
PATIENT = http("200 OK", body=b'{"resourceType": "Patient", "id": "p1"}')
TRACE = Trace(correlation_id="c", request_id="r")


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Settings:
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "token.key").write_bytes(Fernet.generate_key())
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        connections_file=tmp_path / "connections.toml",
        data_dir=tmp_path,
        token_key_file=tmp_path / "token.key",
        pool_size=2,
        worker_threads=2,
    )


@contextmanager
def two_processes(settings: Settings, base_url: str, token_url: str, **more: Any) -> Iterator[list[Services]]:
    settings.connections_file.write_text(CONNECTION.format(base_url=base_url, token_url=token_url))
    with ExitStack() as stack:
        built = [build(settings.model_copy(update=more)) for _ in range(2)]
        for services in built:
            stack.callback(services.close)
        yield built


def test_processes_with_a_key_share_one_token(settings: Settings) -> None:
    requests: list[bytes] = []
    with (
        RawServer(answering(granted("shared"))) as tokens,
        RawServer(keeping(requests, PATIENT)) as server,
        two_processes(settings, server.url, tokens.url) as processes,
    ):
        for services in processes:
            assert services.ehr("t1", "north").fetch("Patient/p1", TRACE).resource is not None
        assert tokens.connections == 1
    assert [header_of(request, "Authorization") for request in requests] == ["Bearer shared"] * 2


def test_processes_without_a_key_share_nothing(settings: Settings) -> None:
    with (
        RawServer(answering(granted())) as tokens,
        RawServer(answering(PATIENT)) as server,
        two_processes(settings, server.url, tokens.url, token_key_file=None) as processes,
    ):
        for services in processes:
            services.ehr("t1", "north").fetch("Patient/p1", TRACE)
        assert tokens.connections == 2
        assert processes[0].redis.keys("*token*") == []


def test_a_process_with_a_key_that_cannot_be_used_is_not_started(settings: Settings, tmp_path: Path) -> None:
    settings.connections_file.write_text(
        CONNECTION.format(base_url="http://127.0.0.1:1", token_url="http://127.0.0.1:1")
    )
    (tmp_path / "token.key").write_text("hunter2")
    with pytest.raises(ConfigurationError, match="WRITEBACK_TOKEN_KEY_FILE"):
        build(settings)
