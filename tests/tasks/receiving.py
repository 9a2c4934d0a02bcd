"""An installation that takes messages from a queue: real services, a real broker, and Celery's own worker in threads."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from joserfc.jwk import ECKey

from config.wiring import Services
from store.database import rows, transaction
from tasks.app import Role, make_celery
from tasks.celery_tasks import register
from tasks.message import signed_message
from tests.factories import NOW, as_bytes, envelope_json
from tests.reception import APP, TENANT

#: What a sender runs: Celery, the broker's address, the names of task and queue, and nothing of ours.
SENDER = """
import json, sys
from celery import Celery
order = json.load(sys.stdin)
app = Celery(broker=order["broker"], backend=order["broker"])
options = {"global_keyprefix": order["prefix"]}
app.conf.update(broker_transport_options=options, result_backend_transport_options=options)
result = app.send_task("command.receive", args=order["args"], kwargs=order["kwargs"], queue="wb.receive", **order["options"])
answer = result.get(timeout=order["wait"]) if order["wait"] else None
print(json.dumps({"task": result.id, "answer": answer, "ours": [m for m in sys.modules if m.split(".")[0] in order["rooms"]]}))
"""
ROOMS = ["adapters", "api", "canonical", "config", "store", "tasks", "reconcile"]


@dataclass
class Installation:
    """Services with a receiving worker; ``redis_url`` is the broker's address."""

    services: Services
    redis_url: str
    key: ECKey

    def message(self, *, key: str | None = None, **envelope: Any) -> dict[str, Any]:
        """Return a signed message with a usual command in it."""
        body = as_bytes(envelope_json(**envelope)).decode()
        return signed_message(
            body,
            app=APP,
            audience=self.services.settings.audience,
            signing_key=self.key,
            now=NOW,
            lifetime=timedelta(minutes=5),
            key=key,
        )

    def send_elsewhere(self, *args: Any, wait: float = 20.0, kwargs: Any = None, **options: Any) -> dict[str, Any]:
        """Send from a process that has nothing of ours, and wait for the answer."""
        order = {
            "broker": self.redis_url,
            "prefix": "wb:dev:",
            "args": args,
            "kwargs": kwargs or {},
            "options": options,
            "wait": wait,
            "rooms": ROOMS,
        }
        done = subprocess.run(
            [sys.executable, "-I", "-c", SENDER],
            input=json.dumps(order),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def sender(self) -> Celery:
        """Return an application as a sender has it, for what the process above would take too long for."""
        app = Celery("sender", broker=self.redis_url, backend=self.redis_url, set_as_current=False)
        options = {"global_keyprefix": "wb:dev:"}
        app.conf.update(broker_transport_options=options, result_backend_transport_options=options)
        return app

    def send(self, *args: Any, kwargs: Any = None, **options: Any) -> Any:
        """Send in this process, and return Celery's result."""
        return self.sender().send_task("command.receive", args=args, kwargs=kwargs or {}, queue="wb.receive", **options)

    def query(self, sql: str) -> list[dict[str, Any]]:
        with transaction(self.services.engine) as connection:
            return list(rows(connection, sql))

    def commands(self) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM commands ORDER BY received_at")

    def refusals(self) -> list[dict[str, Any]]:
        """Return what was refused, with the body that was kept."""
        return self.query(
            "SELECT r.*, p.content FROM refused_messages r"
            " LEFT JOIN payloads p ON p.tenant = r.tenant AND p.digest = r.body_digest ORDER BY r.id"
        )

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url)

    def queue_is_empty(self) -> bool:
        """Whether no message waits and none is unacknowledged."""
        with self.redis() as client:
            return not client.exists("wb:dev:wb.receive") and not client.exists("wb:dev:unacked")


@contextmanager
def receiving(services: Services, **transport: Any) -> Iterator[Any]:
    """Run a receiving worker with two threads; ``transport`` options over the usual ones."""
    app = make_celery(services.settings, role=Role.RECEIVE)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **transport}
    register(app, Role.RECEIVE)
    with start_worker(
        app,
        concurrency=2,
        pool="threads",
        perform_ping_check=False,
        queues=["wb.receive"],
        loglevel="WARNING",
        shutdown_timeout=30,
    ) as worker:
        yield worker


def eventually(holds: Callable[[], bool], *, within: float = 15.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def write_apps(folder: Path, key: ECKey) -> Path:
    """Register the usual app with ``key``."""
    file = folder / "apps.toml"
    jwks = json.dumps({"keys": [key.as_dict(private=False)]})
    file.write_text(
        f"[[app]]\nname = '{APP}'\ntenant = '{TENANT}'\nscopes = ['writeback/VitalReading.*']\njwks = '{jwks}'\n"
    )
    return file
