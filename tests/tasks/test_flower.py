import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tasks.flower_login import flower_login
from tests.tasks.receiving import eventually


@dataclass
class Flower:
    """A running Flower; ``client`` is logged in, ``anybody`` is not."""

    client: httpx.Client
    anybody: httpx.Client


@pytest.fixture
def flower(redis_url: str, free_port: int, tmp_path: Path) -> Iterator[Flower]:
    environment = {
        **os.environ,
        "WRITEBACK_REDIS_URL": redis_url,
        "WRITEBACK_DATA_DIR": str(tmp_path),
        # What lies about in an environment must not open what we close.
        "FLOWER_READ_ONLY": "False",
        "FLOWER_UNAUTHENTICATED_API": "true",
    }
    code = (
        "import sys; from config.environment import read_settings; from tasks.app import run_flower;"
        "run_flower(read_settings(), '127.0.0.1', int(sys.argv[1]))"
    )
    log = (tmp_path / "flower.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(free_port)],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=log,
        stderr=log,
    )
    base = f"http://127.0.0.1:{free_port}"
    try:
        with httpx.Client(base_url=base) as anybody:
            eventually(lambda: answers(anybody), within=30)
            user, password = flower_login(tmp_path).split(":")
            with httpx.Client(base_url=base, auth=(user, password)) as client:
                yield Flower(client=client, anybody=anybody)
    finally:
        process.terminate()
        process.wait(15)
        log.close()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthcheck").status_code == 200
    except httpx.TransportError:
        return False


def test_flower_shows_nothing_to_anybody_and_lets_nobody_act(flower: Flower) -> None:
    """Trap 43."""
    for path in ("/", "/workers", "/tasks", "/tasks/datatable", "/broker", "/api/workers", "/api/tasks"):
        assert flower.anybody.get(path, follow_redirects=False).status_code == 401, path
        assert flower.anybody.post(path, follow_redirects=False).status_code in {401, 403, 405}, path
    for path in ("/workers", "/tasks", "/api/tasks"):
        assert flower.client.get(path).status_code == 200, path
    acts: dict[str, dict[str, object]] = {
        "/api/task/async-apply/command.receive": {"args": [{}]},
        "/api/task/send-task/command.receive": {"args": [{}]},
        "/api/task/apply/command.receive": {"args": [{}]},
        "/api/task/revoke/a-task": {},
        "/api/worker/shutdown/worker": {},
        "/api/worker/pool/restart/worker": {},
    }
    for path, body in acts.items():
        assert flower.anybody.post(path, json=body).status_code in {401, 403}, path
        assert flower.client.post(path, json=body).status_code == 403, path


def test_a_login_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    login = flower_login(tmp_path / "data")
    user, password = login.split(":")
    assert user == "operator"
    assert len(password) >= 24
    assert flower_login(tmp_path / "data") == login
    assert stat.S_IMODE((tmp_path / "data" / "flower.login").stat().st_mode) == 0o600


def test_two_installations_have_two_logins(tmp_path: Path) -> None:
    assert flower_login(tmp_path / "a") != flower_login(tmp_path / "b")
