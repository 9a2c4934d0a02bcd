"""What every benchmark needs: real PostgreSQL, Valkey and sandbox in a temporary folder, with commands waiting in lanes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import Engine

from canonical import exact_json, idempotency
from canonical.envelope import envelope_from
from canonical.ports import ConnectionSettings, Proof, Timings
from processes.embedded import EmbeddedServers
from store.connections import ensure_switches, sync_connections
from store.database import open_engine, rows, transaction
from store.intake import NewCommand, accept
from store.migrate import upgrade

ROOT = Path(__file__).parents[1]
ADMIN = "bench-only"
TENANT, CONNECTION, APP = "bench", "sandbox", "bench-app"


@dataclass(frozen=True, kw_only=True)
class Site:
    """The running servers; ``chart`` talks to the sandbox, ``connection`` is its row of settings."""

    database_url: str
    redis_url: str
    engine: Engine
    chart: httpx.Client
    fhir_url: str
    folder: Path
    connection: ConnectionSettings
    log: list[dict[str, Any]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Return the environment in which the product's own processes use this site."""
        return {
            **os.environ,
            "WRITEBACK_DATABASE_URL": self.database_url,
            "WRITEBACK_REDIS_URL": self.redis_url,
            "WRITEBACK_CONNECTIONS_FILE": str(self.folder / "connections.toml"),
            "WRITEBACK_DATA_DIR": str(self.folder / "data"),
            "WRITEBACK_LOG_LEVEL": "WARNING",
        }

    def ehr_writes(self) -> int:
        """Return how many write requests the EHR has seen."""
        self._read_log()
        return sum(1 for item in self.log if item["method"] in {"POST", "PUT"} and "_search" not in item["path"])

    def ehr_requests(self) -> int:
        """Return how many requests of any kind the EHR has seen."""
        self._read_log()
        return len(self.log)

    def _read_log(self) -> None:
        """Fetch what is new: a whole log fetched again and again would be a load of its own."""
        since = self.log[-1]["id"] if self.log else 0
        self.log.extend(self.chart.get("/admin/requests", params={"since": since}).json()["requests"])


@contextmanager
def open_site(*, patients: int, delay_s: float = 0.0) -> Iterator[Site]:
    """Start everything and admit ``patients`` to the chart; each EHR commit takes ``delay_s`` seconds longer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wb-bench-")))
        urls = stack.enter_context(EmbeddedServers(folder / "servers"))
        upgrade(urls.database_url)
        origin = stack.enter_context(_sandbox(folder))
        chart = stack.enter_context(
            httpx.Client(base_url=origin, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=30)
        )
        chart.post("/admin/seed", content=exact_json.dumps([_patient(n) for n in range(patients)])).raise_for_status()
        chart.patch("/admin/settings", json={"commit_delay_s": delay_s}).raise_for_status()
        engine = open_engine(urls.database_url)
        stack.callback(engine.dispose)
        connection = ConnectionSettings(
            tenant=TENANT,
            name=CONNECTION,
            adapter="fhir_r4",
            base_url=f"{origin}/fhir",
            max_in_flight=32,
            timings=Timings(),
            proof=Proof.ANSWER,
        )
        (folder / "connections.toml").write_text(
            f'[[connection]]\ntenant = "{TENANT}"\nname = "{CONNECTION}"\nadapter = "fhir_r4"\n'
            f'base_url = "{origin}/fhir"\nmax_in_flight = 32\nproof = "answer"\n[connection.auth]\nkind = "none"\n'
        )
        yield Site(
            database_url=urls.database_url,
            redis_url=urls.redis_url,
            engine=engine,
            chart=chart,
            fhir_url=f"{origin}/fhir",
            folder=folder,
            connection=connection,
        )


@contextmanager
def _sandbox(folder: Path) -> Iterator[str]:
    program = [sys.executable, "-m", "sandbox", "--data-dir", str(folder / "sandbox"), "--port", "0", "--open"]
    environment = {**os.environ, "SANDBOX_ADMIN_TOKEN": ADMIN}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None  # noqa: S101 - asked for a pipe
        yield process.stdout.readline().removeprefix("sandbox ready at ").strip()
        process.terminate()


def _patient(n: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{n}", "birthDate": "1961-04-02", "name": [{"family": f"Bench{n}"}]}


def reading(n: int, patient: int) -> dict[str, Any]:
    """Return the envelope of the ``n``-th heart rate, for a patient."""
    return {
        "connection": CONNECTION,
        "action": {
            "type": "VitalReading",
            "operation": "record",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
            "valueQuantity": {
                "value": 60 + n % 60,
                "unit": "beats/min",
                "system": "http://unitsofmeasure.org",
                "code": "/min",
            },
            "effectiveDateTime": f"2026-03-{1 + n % 28:02d}T{n % 24:02d}:{n % 60:02d}:00Z",
        },
        "patient": {"reference": f"Patient/p{patient}", "birthDate": "1961-04-02", "family": f"Bench{patient}"},
        "author": {"role": "nurse"},
        "consent": {"reference": "bench"},
    }


def fill(site: Site, *, commands: int, patients: int) -> list[int]:
    """Accept ``commands`` clean creates spread over ``patients`` lanes; return the lanes."""
    governed = governance(site)
    lanes = set()
    for n in range(commands):
        lanes.add(accept(site.engine, new_command(n, n % patients, *governed)).lane_id)
    return sorted(lane for lane in lanes if lane is not None)


def governance(site: Site) -> tuple[int, int, tuple[int, ...]]:
    """Return the ids that every command needs: connection, consent, switches; made where they are missing."""
    connection_id = sync_connections(site.engine, [site.connection])[0].id
    switches = ensure_switches(site.engine, tenant=TENANT, connection=CONNECTION, app=APP, action="VitalReading")
    with transaction(site.engine) as session:
        return connection_id, rows(session, _CONSENT)[0]["id"], switches


def new_command(n: int, patient: int, connection_id: int, consent: int, switches: tuple[int, ...]) -> NewCommand:
    """Return the ``n``-th reading of a patient as a door hands it to the store."""
    body = reading(n, patient)
    return NewCommand(
        id=uuid4(),
        tenant=TENANT,
        app=APP,
        connection_id=connection_id,
        patient_key=hashlib.sha256(f"p{patient}".encode()).digest(),
        action_type="VitalReading",
        operation="record",
        creates=True,
        takes_back=False,
        envelope=exact_json.dumps(body).encode(),
        fingerprint=idempotency.fingerprint(envelope_from(body)),
        key_hash=uuid4().bytes,
        correlation_id=f"bench-{n}",
        consent_id=consent,
        consent_version=1,
        switch_ids=switches,
        author_digest=b"bench",
        author_assurance="asserted",
        actor="bench",
    )


_CONSENT = """
INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps, valid_from)
VALUES ('bench', gen_random_uuid()::text, '', 1, true, '{TREAT}', '{}', '{}', now()) RETURNING id
"""
