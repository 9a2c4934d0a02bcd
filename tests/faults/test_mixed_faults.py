"""Every fault at once, by a seed: all of the product under load while processes, Redis, PostgreSQL and the EHR fail.

Readings are corrected while they are on their way, so that the order within a resource is at stake as well.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self
from uuid import UUID

import pytest
import redis

from canonical.errors import StoreUnavailableError
from processes.condition import wait_until
from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer
from tests.faults.harness import SOON, Product
from tests.faults.proxy import TcpProxy

SEED = 20_261_122
FAULTS = 12
PATIENTS = 5
#: Kill or pause whichever: each of these must come back and go on. Two schedulers, so that every sweep is asked for twice.
VICTIMS = ("worker-1", "worker-2", "worker-3", "worker-4", "poller", "scheduler-1", "scheduler-2")
EHR_FAULTS = ("commit_then_drop", "drop_before_commit", "error_after_commit", "error_before_commit", "truncated_body")


@pytest.fixture(scope="module")
def product(installation: Product) -> Product:
    for name in VICTIMS:
        installation.start(name)
    return installation


def _weather() -> list[dict[str, object]]:
    """About one write in seven goes wrong at the EHR."""
    return [
        {"id": fault, "fault": fault, "match": {"method": method}, "probability": 0.03, "seed": SEED + number}
        for number, fault in enumerate(EHR_FAULTS)
        for method in ("POST", "PUT")
    ]


class Load:
    """Apps that give a reading and its corrections, one after the other, and come again when they are told to."""

    def __init__(self, product: Product) -> None:
        self.chains: list[list[UUID]] = []
        self._product = product
        self._stop = threading.Event()
        self._lock = threading.Lock()
        patients = [product.new_patient() for _ in range(PATIENTS)]
        self._threads = [threading.Thread(target=self._give, args=(patient,)) for patient in patients]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _give(self, patient: str) -> None:
        number = 0
        while not self._stop.is_set():
            chain: list[UUID] = []
            with self._lock:
                self.chains.append(chain)
            for _ in range(3):
                number += 1
                value, key = f"{60 + number % 40}.{number % 100:02d}", f"{patient}-mixed-{number:05d}"
                root = chain[0] if chain else None
                command = self._insist(lambda: self._product.submit(patient, value=value, key=key, corrects=root))  # noqa: B023
                if command is None:
                    return
                chain.append(command)
                self._stop.wait(0.15)

    def _insist(self, submit: Callable[[], UUID]) -> UUID | None:
        while True:
            try:
                with self._lock:
                    return submit()
            except StoreUnavailableError:
                if self._stop.wait(0.1):
                    # The last word must be a receipt, or nobody knows whether there is a command.
                    assert wait_until(self._product.is_up, within=SOON)


def test_all_faults_together_lose_double_and_reorder_nothing(
    product: Product, postgres_server: PostgresServer, valkey_server: ValkeyServer, redis_proxy: TcpProxy
) -> None:
    draw = random.Random(SEED)
    played: Counter[str] = Counter()
    product.sandbox.faults(*_weather())

    def kill() -> None:
        product.kill(draw.choice(VICTIMS))

    def pause() -> None:
        victim = draw.choice(VICTIMS[:5])
        product.pause(victim)
        threading.Event().wait(3)  # the fault itself: longer than lease and quarantine
        product.go_on(victim)

    def empty_redis() -> None:
        with redis.Redis.from_url(valkey_server.url) as client:
            client.flushall()

    def crash_redis() -> None:
        valkey_server.kill()
        valkey_server.start()

    def crash_postgres() -> None:
        postgres_server.kill()
        postgres_server.start()

    faults: dict[str, Callable[[], None]] = {
        "kill": kill,
        "pause": pause,
        "empty redis": empty_redis,
        "crash redis": crash_redis,
        "reset redis": redis_proxy.reset_all,
        "crash postgres": crash_postgres,
    }
    with Load(product) as load:
        for number in range(FAULTS):
            given = len(product.receipts) + 5
            product.wait(lambda: len(product.receipts) >= given, what="load")  # noqa: B023
            name = list(faults)[number] if number < len(faults) else draw.choice(list(faults))
            if name in {"kill", "pause"}:
                product.wait(lambda: all(product.status(victim).pid for victim in VICTIMS), what="all processes")
            faults[name]()
            played[name] += 1

    product.sandbox.faults()
    product.assert_good()

    assert set(played) == set(faults)
    assert sum(product.status(victim).restarts for victim in VICTIMS) >= played["kill"]
    order: dict[str, list[str]] = {}
    for item in product.written():
        order.setdefault(item.reference, []).append(item.mark)
    assert sorted(order.values()) == sorted([str(command) for command in chain] for chain in load.chains if chain)
