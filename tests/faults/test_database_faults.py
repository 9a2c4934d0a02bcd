"""Traps 7, 24, 25 and 26 on real processes: PostgreSQL crashes, commits cut off, and sessions that nobody shares."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.engine import make_url

from canonical.errors import ConfigurationError
from config.settings import Settings
from config.wiring import build
from processes.postgres import PostgresServer
from tests.faults.apps import App, serving
from tests.faults.harness import Product
from tests.faults.proxy import Cut, TcpProxy

CRASHES = 5


@pytest.fixture(scope="module")
def product(installation: Product) -> Product:
    installation.start("worker-1")
    installation.start("poller")
    return installation


@pytest.fixture(scope="module")
def app(product: Product) -> Iterator[App]:
    with serving(product, "api") as apps:
        yield apps[0]


def test_a_receipt_survives_a_crash_of_the_database_at_once(
    product: Product, app: App, postgres_server: PostgresServer
) -> None:
    """Trap 7."""
    patient = product.new_patient()
    answer = app.submit(patient, "70.10", key="crash-0001")
    before = postgres_server.pid
    postgres_server.kill()
    assert answer.status_code == 202
    postgres_server.start()

    assert postgres_server.pid != before
    again = app.submit(patient, "70.10", key="crash-0001")
    assert (again.status_code, again.json()["id"]) == (200 if again.json().get("ended") else 202, answer.json()["id"])
    product.assert_good()


def test_nothing_starts_on_a_database_that_may_forget(product: Product) -> None:
    """Trap 7: where a receipt or a claim could vanish in a crash, none is given."""
    name = make_url(product.direct_url).database
    settings = Settings(
        database_url=product.direct_url,
        redis_url=product.redis_url,
        connections_file=Path(product.variables()["WRITEBACK_CONNECTIONS_FILE"]),
        pool_size=2,
    )
    build(settings).close()
    product.query(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    try:
        with pytest.raises(ConfigurationError, match="synchronous_commit"):
            build(settings)
    finally:
        product.query(f'ALTER DATABASE "{name}" RESET synchronous_commit')


def test_a_post_whose_commit_was_cut_off_makes_one_command(
    product: Product, app: App, database_proxy: TcpProxy
) -> None:
    """Trap 26 over HTTP: the app is told to come again with its key, or gets the receipt; never a second command."""
    for number, cut in enumerate((Cut.BEFORE, Cut.AT_REPLY, Cut.AFTER)):
        patient, key = product.new_patient(), f"cut-off-{number}"
        database_proxy.cut(key, _commit_of(patient), cut=cut)
        first = app.submit(patient, "70.20", key=key)
        assert database_proxy.fired[key] == 1
        again = app.submit(patient, "70.20", key=key)
        assert first.status_code in {202, 503}
        assert again.status_code in {200, 202}
        assert first.status_code == 503 or first.json()["id"] == again.json()["id"]

    product.assert_good()
    keys = product.query("SELECT count(*) AS n FROM commands WHERE key_hash IS NOT NULL")
    assert keys[0]["n"] == len(product.receipts)


def _commit_of(patient: str) -> Callable[[bytes], bool]:
    """The COMMIT right after what holds the patient's envelope."""
    return lambda seen: b"COMMIT" in seen.rpartition(f'"Patient/{patient}"'.encode())[2] and patient.encode() in seen


def test_crashes_of_the_database_under_load_lose_double_and_leak_nothing(
    product: Product, app: App, postgres_server: PostgresServer
) -> None:
    """Trap 25."""
    patients = [product.new_patient() for _ in range(4)]
    stop = threading.Event()
    refused: list[int] = []
    accepted: list[str] = []

    def load(patient: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            # The last word must be a receipt, or nobody knows whether there is a command.
            while True:
                answer = app.submit(patient, f"7{number % 10}.{number % 100:02d}", key=f"{patient}-load-{number:04d}")
                if answer.status_code in {200, 202}:
                    accepted.append(answer.json()["id"])
                    break
                refused.append(answer.status_code)
                stop.wait(0.1)
            stop.wait(0.1)

    threads = [threading.Thread(target=load, args=(patient,)) for patient in patients]
    for thread in threads:
        thread.start()
    postmasters = set()
    for crash in range(CRASHES):
        _wait_for_load(product, accepted, what=f"load before crash {crash}")
        postmasters.add(postgres_server.pid)
        postgres_server.kill()
        postgres_server.start()
    stop.set()
    for thread in threads:
        thread.join()

    assert len(postmasters) == CRASHES
    assert set(refused) <= {503}
    product.assert_good()
    assert all(product.times_written(UUID(command)) == 1 for command in accepted)
    assert [product.status(name).restarts for name in ("worker-1", "poller", "api")] == [0, 0, 0]


def _wait_for_load(product: Product, accepted: list[str], *, what: str) -> None:
    wanted = len(accepted) + 5
    product.wait(lambda: len(accepted) >= wanted, what=what)


def test_no_process_shares_a_connection_over_a_fork(product: Product) -> None:
    """Trap 24: workers have threads and no children, and every session is theirs alone."""
    for _ in range(3):
        for _ in range(20):
            product.submit()
        product.assert_good()
    for name in ("worker-1", "poller"):
        pid = product.status(name).pid
        assert Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split() == []
    protocol = [line for line in product.log("worker-1").splitlines() if "lost synchronization" in line]
    assert protocol == []
