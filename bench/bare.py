"""A bare Celery task that sends the same HTTP request: no lane, no journal, no proof. What the product is compared with."""

from __future__ import annotations

import os

import httpx
from celery import Celery

app = Celery("bare", broker=os.environ.get("BARE_BROKER", "memory://"))
app.conf.update(
    task_ignore_result=True,
    task_default_queue="bare",
    worker_prefetch_multiplier=1,
    broker_transport_options={"global_keyprefix": "bare:"},
)
_CLIENT = httpx.Client(base_url=os.environ.get("BARE_FHIR", "http://127.0.0.1/"), timeout=30)


@app.task(name="bare.create")
def create(body: str) -> None:
    """Create one Observation and look no further."""
    headers = {"Content-Type": "application/fhir+json", "Prefer": "return=representation"}
    _CLIENT.post("Observation", content=body.encode(), headers=headers).raise_for_status()
