"""The whole product on real servers with a sandbox hospital, started once for all tests of this folder."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from canonical import exact_json
from cli.demo.apps import Apps
from cli.demo.chart import Chart
from cli.demo.command import ENVIRONMENT, product_in
from cli.demo.people import Person, Resource, people_of
from cli.demo.plan import Planner, cohort
from cli.demo.queue import Queue
from cli.launch import Running
from cli.sandbox_site import SandboxSite
from cli.service_client import ServiceClient

SEED, ACTIONS = 5, 60


@dataclass(frozen=True, kw_only=True)
class Hospital:
    """The running product, its EHR, its apps, and the patients in the chart, all of whom have consented."""

    product: Running
    site: SandboxSite
    chart: Chart
    ward: ServiceClient
    people: list[Person]
    #: Envelopes of readings nobody has sent yet.
    readings: Iterator[dict[str, Any]]

    @property
    def environment(self) -> dict[str, str]:
        """What an operator's command needs to reach this product."""
        return self.product.stack.told

    def reading(self, name: str, **changes: Any) -> dict[str, Any]:
        """A reading nobody has sent yet, under its own correlation id and event."""
        source = {"eventId": f"event-{name}", "channel": "e2e"}
        return {**next(self.readings), "correlationId": name, "source": source, **changes}

    def send(self, envelope: dict[str, Any], *, key: str, wait: int | None = None) -> httpx.Response:
        return self.ward.submit(exact_json.dumps(envelope).encode(), key=key, wait=wait)

    def command(self, answer: httpx.Response) -> Any:
        """The command behind a receipt, as it stands now."""
        return exact_json.parse(self.ward.request("GET", answer.headers["Location"]).content)

    def written_by(self, command: str) -> list[Resource]:
        marks = [(it, {mark.get("value") for mark in it.get("identifier", [])}) for it in self.chart.current().values()]
        return [it for it, values in marks if command in values]

    def write_requests(self, correlation_id: str) -> list[Any]:
        writes = [it for it in self.chart.evidence().requests if it["interaction"] in {"create", "update"}]
        return [it for it in writes if it["headers"].get("x-correlation-id") == correlation_id]


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("product")
    bundle = cohort(SEED, ACTIONS)
    people = people_of(bundle)
    planned = Planner(people, SEED).plan(ACTIONS)
    readings = (
        dict(it.envelope) for it in planned if it.operation == "VitalReading.record" and it.ending.status == "inChart"
    )
    with product_in(folder, flower=False) as (product, site):
        queue = Queue(broker_url=product.stack.urls.redis_url, key_prefix=f"wb:{ENVIRONMENT}:", site=site)
        with closing(Chart(site.origin, site.admin_token)) as chart, closing(Apps(site, queue)) as apps:
            chart.seed(bundle)
            apps.record_consents(people)
            with ServiceClient(site.profile("ward")) as ward:
                yield Hospital(product=product, site=site, chart=chart, ward=ward, people=people, readings=readings)
