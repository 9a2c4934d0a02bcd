"""An upstream app as the faults' tests need one: it speaks HTTP to the product's API, with tokens of an issuer of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx

from processes.free_port import free_port
from tests.faults.harness import APP, ISSUER, TENANT, Product
from tests.reception import Issuer, open_issuer


@dataclass
class App:
    """Gives commands to one API process and remembers its receipts in ``product``."""

    product: Product
    client: httpx.Client

    def post(self, body: bytes, *, key: str) -> httpx.Response:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self.client.post("/v1/commands", content=body, headers=headers)

    def submit(self, patient: str, value: str, *, key: str) -> httpx.Response:
        """Post a reading; a receipt is remembered."""
        answer = self.post(self.product.reading(patient, value), key=key)
        if answer.status_code in {200, 202}:
            self.product.promised(UUID(answer.json()["id"]), patient, value)
        return answer


@contextmanager
def serving(product: Product, *names: str, plan: dict[str, str] | None = None) -> Iterator[list[App]]:
    """Start an API process for each of ``names`` ("api-1"…), with faults at their steps, and yield an app at each."""
    with open_issuer() as issuer:
        apps = []
        for name in names:
            port = free_port()
            product.start(name, plan=plan, port=port, issuer=ISSUER, jwks_url=issuer.url)
            apps.append(App(product=product, client=_client(port, _token(issuer))))
        for app in apps:
            product.wait_until_served(f"{app.client.base_url}/healthz")
        try:
            yield apps
        finally:
            for app in apps:
                app.client.close()
            product.stop(*names)


def _client(port: int, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        timeout=20,
        headers={"Authorization": f"Bearer {token}"},
        limits=httpx.Limits(max_connections=100),
    )


def _token(issuer: Issuer) -> str:
    now = datetime.now(UTC)
    return issuer.token(
        iat=int(now.timestamp()),
        exp=int((now + timedelta(hours=1)).timestamp()),
        iss=ISSUER,
        client_id=APP,
        sub=APP,
        tenant=TENANT,
        scope="writeback/VitalReading.*",
    )
