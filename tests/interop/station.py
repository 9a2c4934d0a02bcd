"""A ward whose chart is a real FHIR server behind a fault proxy: submit, take turns, prove, look at the chart."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Engine

from adapters import open_ehr
from canonical.outcome import Settlement
from canonical.ports import ConnectionSettings, Ehr, Proof, Surrounding, Timings, Trace
from config.wiring import utc_now
from store.intake import Accepted
from tests.faults.proxy import TcpProxy
from tests.interop.servers import FhirServer
from tests.tasks.ward import PATIENT, Ward, open_ward

TIMINGS = Timings(
    request=timedelta(seconds=2),
    slowest_commit=timedelta(milliseconds=50),
    search_lag=timedelta(milliseconds=10),
    margin=timedelta(milliseconds=40),
    send_within=timedelta(seconds=2),
)
MARK = "urn:fhir-writeback:command"


@dataclass
class Station:
    """``ward`` without its own chart; every turn goes to ``server`` through ``proxy``."""

    ward: Ward
    server: FhirServer
    proxy: TcpProxy
    ehr: Ehr

    def run(self, lane_id: int | None) -> None:
        self.ward.run(lane_id, self.ward.turn(chart=self.ehr))

    def send_at_once(self, accepted: Accepted, times: int) -> list[Settlement]:
        """Send the command's one operation ``times`` at the same moment, past every lock, and return what each settled as."""
        assert accepted.lane_id is not None
        with self.ward.lanes().hold(accepted.lane_id) as lane:
            assert lane is not None
            command = lane.load(accepted.command_id)
        (operation,) = self.ehr.plan(command, Surrounding())
        trace = Trace(correlation_id="parallel", request_id="parallel")
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self.ehr.send(operation, trace), range(times)))

    def marked(self, command: UUID, type: str = "Observation") -> list[dict[str, Any]]:
        """Return the chart's resources that carry the command's identifier."""
        return [
            item
            for item in self.server.all(type)
            if any(
                name.get("system") == MARK and name.get("value") == str(command) for name in item.get("identifier", [])
            )
        ]

    def close(self) -> None:
        self.ehr.close()
        self.ward.close()


def proxy_before(server: FhirServer) -> TcpProxy:
    """Return a proxy that stands before the server's port."""
    port = urlsplit(server.url).port
    assert port is not None
    return TcpProxy(port)


def open_station(
    engine: Engine,
    url: str,
    server: FhirServer,
    proxy: TcpProxy,
    *,
    proof: Proof = Proof.ANSWER,
    clock: Callable[[], datetime] = utc_now,
) -> Station:
    """Set the ward up, admit its patients to the server's chart, and open the adapter on the proxy's address."""
    ward = open_ward(engine, url)
    for identity, family in (("p1", "Lopez"), ("p2", "Nguyen")):
        server.put({**PATIENT, "id": identity, "name": [{"family": family}]})
    settings = ConnectionSettings(
        tenant="t1",
        name="north",
        adapter="fhir_r4",
        base_url=proxy.url(server.url),
        timings=TIMINGS,
        auth=server.auth,
        proof=proof,
    )
    return Station(ward=ward, server=server, proxy=proxy, ehr=open_ehr(settings, clock=clock))
