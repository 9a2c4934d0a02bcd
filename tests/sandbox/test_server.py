"""The process: started, stopped, killed, and started again on what it had."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from sandbox.server import SandboxSettings, make_app
from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningSandbox]:
    """A sandbox of this test's own, which it may kill."""
    running = RunningSandbox(tmp_path).start()
    running.seed([{"resourceType": "Patient", "id": "p1"}])
    yield running
    running.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_was_answered_survives_the_process(own: RunningSandbox, how: str) -> None:
    condition = {"If-None-Exist": "identifier=urn:test|a"}
    made = httpx.post(f"{own.url}/Observation", json=identified("a"), headers=condition)
    keys = httpx.get(f"{own.origin}/oauth/jwks").json()
    own.settings(stale_status=409)
    before, address = own.requests(), own.origin
    getattr(own, how)()
    own.start()
    assert own.origin == address
    read = httpx.get(f"{own.url}/Observation/{made.json()['id']}")
    assert (read.text, read.headers["ETag"]) == (made.text, made.headers["ETag"])
    assert own.requests()[: len(before)] == before
    assert httpx.get(f"{own.origin}/oauth/jwks").json() == keys
    assert own.admin.get("settings").json()["stale_status"] == 409
    again = httpx.post(f"{own.url}/Observation", json=identified("a"), headers=condition)
    assert again.status_code == 200
    assert len(own.resources("Observation")) == 1


def test_every_write_that_was_answered_is_there_after_a_kill_in_the_middle(own: RunningSandbox) -> None:
    answered: list[str] = []

    def write_until_cut(_: int) -> None:
        with httpx.Client(base_url=f"{own.url}/", timeout=10) as client:
            while True:
                try:
                    answered.append(client.post("Observation", json=observation()).json()["id"])
                except httpx.TransportError:
                    return

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write_until_cut, number) for number in range(4)]
        until = time.monotonic() + 10
        while len(answered) < 50:
            assert time.monotonic() < until
            time.sleep(0.01)
        own.kill()
        for writer in writers:
            writer.result(timeout=10)
    own.start()
    there = {resource["id"] for resource in own.resources("Observation")}
    assert set(answered) <= there
    # What was under way when it was killed may be there too, and nothing else.
    assert len(there) <= len(answered) + 4


def test_a_write_that_was_dropped_survives_a_kill(own: RunningSandbox) -> None:
    own.faults({"fault": "commit_then_drop"})
    with pytest.raises(httpx.ReadError):
        httpx.post(f"{own.url}/Observation", json=observation())
    own.kill()
    own.start()
    assert len(own.resources("Observation")) == 1
    assert own.requests()[0]["status"] == "dropped"


def test_a_hanging_request_does_not_hold_up_a_stop(own: RunningSandbox) -> None:
    own.faults({"fault": "hang", "parameters": {"seconds": 3600}})
    address = httpx.URL(own.origin)
    with socket.create_connection((address.host, address.port or 0)) as connection:
        connection.sendall(b"GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + 10
        while not own.requests(status="hung"):
            assert time.monotonic() < until
            time.sleep(0.02)
        before = time.monotonic()
        own.stop()
        assert time.monotonic() - before < 15


def test_an_application_needs_to_know_its_address(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="public_url"):
        make_app(SandboxSettings(data_dir=tmp_path))


def test_without_a_given_secret_one_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    make_app(SandboxSettings(data_dir=tmp_path, port=8080))
    assert (tmp_path / "admin-token").read_text()
