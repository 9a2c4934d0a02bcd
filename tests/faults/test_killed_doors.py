"""Traps 7 and 26 by a kill of the door itself: before and after the commit of a receipt that nobody got to see."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import redis
from joserfc.jwk import ECKey

from canonical.admission import Admission, Admitted
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError, StoreUnavailableError
from canonical.idempotency import fingerprint
from processes.valkey import ValkeyServer
from tasks.message import signed_message
from tests.faults.apps import serving
from tests.faults.harness import APP, TENANT, Product

STEPS = ("before_accept_commit", "after_accept_commit")


@pytest.fixture(scope="module")
def product(installation: Product) -> Product:
    installation.start("poller")
    return installation


def test_an_app_that_never_got_its_receipt_asks_again_and_gets_the_one_command(product: Product) -> None:
    """Traps 7 and 26 over HTTP."""
    patient = product.new_patient()
    with serving(product, "api", plan=dict.fromkeys(STEPS, "kill")) as (app,):
        killed = 0
        while True:
            product.wait_until_served(f"{app.client.base_url}/healthz")
            try:
                answer = app.submit(patient, "75.00", key="never-answered")
            except httpx.TransportError:
                killed += 1
                continue
            if answer.status_code != 409:
                break
            # The one who died holds the key for some seconds more: Redis cannot know.
            threading.Event().wait(float(answer.headers["retry-after"]))
        assert killed == len(STEPS)
        assert answer.headers["idempotent-replayed"] == "true"
        assert all(product.fired("api", step) for step in STEPS)

    assert len(product.query("SELECT 1 FROM commands")) == 1
    product.assert_good()


def test_a_lost_commit_is_no_receipt_for_what_another_request_stored(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 26 with the key won, in the meantime, by a request with other content."""
    patient = product.new_patient()
    other = product.reading(patient, "78.00")
    store = product.door.receiver._store
    admit = store.admit

    def lose(admission: Admission) -> Admitted:
        envelope = parse_envelope(other)
        admitted = admit(replace(admission, raw=other, envelope=envelope, fingerprint=fingerprint(envelope)))
        product.promised(admitted.command.id, patient, "78.00")
        raise StoreUnavailableError

    monkeypatch.setattr(store, "admit", lose)
    with pytest.raises(RefusedError, match="other content") as refused:
        product.submit(patient, value="77.00", key="won-by-another")

    assert refused.value.code == "idempotency-key-reused"
    product.assert_good()


@pytest.fixture
def message_key(product: Product, tmp_path: Path) -> Iterator[tuple[ECKey, Path]]:
    """An app's signing key, and the file that makes it known."""
    key = ECKey.generate_key("P-384", auto_kid=True)
    keys = json.dumps(json.dumps({"keys": [key.as_dict(private=False)]}))
    file = tmp_path / "apps.toml"
    scopes = '["writeback/VitalReading.*"]'
    file.write_text(
        f'[[app]]\nname = "{APP}"\ntenant = "{TENANT}"\nscopes = {scopes}\njwks = {keys}\n', encoding="utf-8"
    )
    yield key, file
    product.stop("receiver")


def test_a_message_survives_the_worker_that_received_it(
    product: Product, valkey_server: ValkeyServer, message_key: tuple[ECKey, Path]
) -> None:
    """On the one queue whose message is the only copy, it is given again until it was stored; once is enough."""
    key, file = message_key
    before = len(product.query("SELECT 1 FROM commands"))
    patient = product.new_patient()
    message = signed_message(
        product.reading(patient, "76.00").decode(),
        app=APP,
        audience="writeback",
        signing_key=key,
        now=datetime.now(UTC),
        lifetime=timedelta(minutes=5),
        key="by-message",
    )
    product.start("receiver", plan=dict.fromkeys(STEPS, "kill"), apps_file=str(file))
    product.door.hints._app.send_task("command.receive", args=(message,), queue="wb.receive", ignore_result=True)

    def both_killed() -> bool:
        _let_visibility_end(valkey_server)
        return all(product.fired("receiver", step) for step in STEPS)

    product.wait(both_killed, what="a kill before and one after the commit")
    product.wait(lambda: _is_acknowledged(valkey_server), what="the acknowledgement")

    found = product.query("SELECT id FROM commands ORDER BY received_at DESC LIMIT 1")
    assert len(product.query("SELECT 1 FROM commands")) == before + 1
    product.promised(UUID(str(found[0]["id"])), patient, "76.00")
    product.assert_good()


def _let_visibility_end(valkey_server: ValkeyServer) -> None:
    """Make every message that was given out and not acknowledged look as old as waiting for a minute would."""
    with redis.Redis.from_url(valkey_server.url) as client:
        for index in client.keys("*unacked_index"):
            for tag, _ in client.zrange(index, 0, -1, withscores=True):
                client.zadd(index, {tag: 1.0}, xx=True)


def _is_acknowledged(valkey_server: ValkeyServer) -> bool:
    _let_visibility_end(valkey_server)
    with redis.Redis.from_url(valkey_server.url) as client:
        waiting = [key for key in client.keys("*wb.receive*") if client.type(key) == b"list"]
        return not client.keys("*unacked") and not waiting
