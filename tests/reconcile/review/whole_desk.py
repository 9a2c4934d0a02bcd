"""The whole desk of one process over the ward's chart, with the doors it gives commands through: real stores, Valkey, sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from canonical import exact_json
from canonical.admission import patient_key
from canonical.capabilities import Capabilities
from canonical.consent import ConsentTerms
from canonical.principal import Principal
from canonical.review_desk import ReviewDesk
from config.settings import Settings
from config.wiring import Services, build, utc_now
from tests.factories import NOW
from tests.interop.station import Station
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import heart_rate

CONNECTIONS = """
[[connection]]
tenant = "t1"
name = "north"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:9/fhir"
proof = "answer"
[connection.timings]
request = 2
slowest_commit = 0.05
search_lag = 0.01
margin = 0.04
send_within = 2
"""
CONSENT = "c-review"
VISITS = Principal(tenant="t1", app="visits", scopes=frozenset({"writeback/*.*"}))


@dataclass
class WholeDesk:
    """``station`` is ward and chart, ``services`` the process whose desk it is."""

    station: Station
    services: Services

    @property
    def desk(self) -> ReviewDesk:
        return self.services.review_desk

    def give(self, action: dict[str, Any] | None = None, key: str | None = None, **envelope: Any) -> UUID:
        """Give a command as an app does, at the door."""
        body = {
            "connection": "north",
            "action": action or heart_rate(),
            "patient": {"reference": "Patient/p1", "birthDate": "1961-04-02", "family": "Lopez"},
            "author": {"role": "nurse"},
            "consent": {"reference": CONSENT},
            "source": {"eventId": f"event-{key or id(envelope)}"},
            **envelope,
        }
        raw = exact_json.dumps(body).encode()
        return self.services.receiver.receive(raw, principal=VISITS, key=key, door="http").id

    def written(self, action: dict[str, Any] | None = None, **envelope: Any) -> UUID:
        """Give a command and let it be written and proven."""
        command = self.give(action, **envelope)
        self.run(command)
        assert self.state(command) == "verified", self.station.ward.reason(command)
        return command

    def run(self, command: UUID) -> None:
        lane = self.look("SELECT lane_id FROM commands WHERE id = %(id)s", id=command)[0]["lane_id"]
        self.station.run(lane)

    def state(self, command: UUID) -> str:
        return self.station.ward.state(command)

    def look(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        return self.station.ward.query(sql, **parameters)

    def entry(self, command: UUID, type: str = "Observation") -> dict[str, Any]:
        """Return the one entry that ``command`` created."""
        (found,) = self.station.marked(command, type)
        return found

    def lie(self) -> None:
        """Let the EHR answer the next update as if it were done, and do nothing."""
        self._sandbox.faults({"fault": "answer_without_commit", "match": {"method": "PUT"}, "times": 1})

    def lied(self) -> int:
        """Return how often it did so, and let it tell the truth again."""
        fired = self._sandbox.fired()["rule-1"]
        self._sandbox.faults()
        return fired

    @property
    def _sandbox(self) -> RunningSandbox:
        assert self.station.server.sandbox is not None, "only our own sandbox lies when it is told to"
        return self.station.server.sandbox

    def consent(self, **over: Any) -> None:
        """Record the patient's consent, or change it."""
        terms: dict[str, Any] = {
            "id": 0,
            "reference": CONSENT,
            "version": 0,
            "patient_key": patient_key("t1", "north", "Patient/p1"),
            "active": True,
            "purposes": ("TREAT",),
            "actions": ("*",),
            "apps": ("*",),
            "valid_from": NOW.replace(year=2020),
            "valid_until": None,
        }
        self.services.doors.consents.put("t1", ConsentTerms(**(terms | over)), actor="test")


@contextmanager
def open_whole_desk(
    station: Station,
    redis_url: str,
    folder: Path,
    capabilities: Capabilities | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[WholeDesk]:
    """Yield the desk; ``capabilities`` in place of what the EHR declares."""
    file = folder / "connections.toml"
    file.write_text(CONNECTIONS)
    settings = Settings(
        database_url=station.ward.url, redis_url=redis_url, connections_file=file, data_dir=folder, pool_size=6
    )
    services = build(
        settings,
        clock=clock,
        opener=lambda _settings: station.ehr,
        capabilities=lambda _settings: capabilities or station.ehr.capabilities,
    )
    try:
        whole = WholeDesk(station=station, services=services)
        whole.consent()
        yield whole
    finally:
        services.close()
