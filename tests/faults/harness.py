"""The real product for tests of faults: its processes on real PostgreSQL and Valkey, through proxies, before a sandbox EHR.

Each process is started, killed, paused and let go on by name. Commands come in through a receiver in this process, or over
HTTP; what became of them is judged from the tables and from the sandbox's own chart.
"""

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from canonical.admission import patient_key
from canonical.consent import ConsentTerms
from canonical.errors import StoreUnavailableError
from canonical.lifecycle import OPEN, State
from canonical.principal import Principal
from config.settings import Settings
from config.wiring import Services, build
from processes.child_spec import Backoff, ChildSpec, ChildStatus
from processes.condition import wait_until
from processes.supervisor import Supervisor
from tasks.receive import Receipt as DoorReceipt
from tests.factories import as_bytes, envelope_json, quantity, vital_reading_json
from tests.faults.checker import Receipt, Written, judge, read_record
from tests.sandbox_fixture import RunningSandbox

ROOT = Path(__file__).parents[2]
TENANT, CONNECTION, APP = "north", "north-r4", "visits"
ISSUER = "https://issuer.example"
PRINCIPAL = Principal(tenant=TENANT, app=APP, issuer=ISSUER, scopes=frozenset({"writeback/VitalReading.*"}))
#: Seconds. The quarantine is 2.3 s and the lease 2.3 s, so that tests of real processes end.
TIMINGS = {"request": 1.0, "slowest_commit": 0.5, "search_lag": 0.2, "margin": 0.6, "send_within": 0.7}
#: A process that was killed is there again within seconds; on a machine that is busy, within many.
SOON = timedelta(seconds=90)
MARK, CHANGE_MARK = "urn:fhir-writeback:command", "urn:fhir-writeback:change"
#: A child that ended is started again at once: here, ending is what is tested.
AT_ONCE = Backoff(first=timedelta(milliseconds=100), cap=timedelta(milliseconds=500))
WORDS = {
    "worker": ("worker", "--threads", "4"),
    "receiver": ("worker", "--role", "receive", "--threads", "2"),
    "poller": ("poller",),
    "scheduler": ("scheduler",),
    "api": ("api", "--port", "{port}"),
    "flower": ("flower", "--port", "{port}"),
}


@dataclass
class Product:
    """One installation. ``database_url`` and ``redis_url`` are what its processes are given: proxies, where wanted.

    ``direct_url`` is the database without any proxy, for looking at what happened.
    """

    folder: Path
    database_url: str
    direct_url: str
    redis_url: str
    sandbox: RunningSandbox
    environment: dict[str, str] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    #: Commands that must end elsewhere than in the chart.
    ended: dict[UUID, State] = field(default_factory=dict)
    _running: dict[str, Supervisor] = field(default_factory=dict)
    _door: Services | None = None
    _patients: int = 0

    # --- processes

    def start(
        self,
        name: str,
        *,
        plan: dict[str, str] | None = None,
        every_time: bool = False,
        port: int = 0,
        **settings: str,
    ) -> None:
        """Start the process ``name`` ("worker-2" is a worker), with faults at named steps, each of them once.

        ``every_time``: whenever it comes to the step. ``settings`` are more ``WRITEBACK_`` variables by field name.
        """
        role = name.partition("-")[0]
        more = {f"WRITEBACK_{key.upper()}": value for key, value in settings.items()}
        if plan:
            more["WRITEBACK_FAULTPOINTS"] = json.dumps(plan)
        if plan and not every_time:
            self._clear_markers(name)
            more["WRITEBACK_FAULTPOINTS_DIR"] = str(self.markers(name))
        spec = ChildSpec(
            name=name,
            argv=[sys.executable, "-m", "cli.main", *(word.format(port=port) for word in WORDS[role])],
            env={**self.variables(), **more, "PYTHONPATH": str(ROOT)},
            stop_grace=timedelta(seconds=10),
        )
        self._running[name] = Supervisor([spec], self.folder / "logs", backoff=AT_ONCE)
        self._running[name].start()

    def stop(self, *names: str) -> None:
        """Stop these processes politely, or all of them."""
        for name in names or tuple(self._running):
            self._running.pop(name).stop()

    def kill(self, name: str) -> None:
        """SIGKILL; it is started again soon after."""
        self._running[name].signal(name, signal.SIGKILL)

    def pause(self, name: str) -> None:
        self._running[name].signal(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        self._running[name].signal(name, signal.SIGCONT)

    def status(self, name: str) -> ChildStatus:
        return self._running[name].status()[0]

    def log(self, name: str) -> str:
        return self.status(name).log_path.read_text(encoding="utf-8")

    def markers(self, name: str) -> Path:
        """Where the faults of ``name`` leave their marks."""
        folder = self.folder / "markers" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _clear_markers(self, name: str) -> None:
        for marker in self.markers(name).iterdir():
            marker.unlink()

    def fired(self, name: str, step: str) -> bool:
        """Whether ``name`` came to ``step`` and its fault befell it."""
        return (self.markers(name) / step).exists()

    def is_paused(self, name: str) -> bool:
        pid = self.status(name).pid
        if pid is None:
            return False
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"

    def variables(self) -> dict[str, str]:
        return {
            "WRITEBACK_ENVIRONMENT": "faults",
            "WRITEBACK_DATABASE_URL": self.database_url,
            "WRITEBACK_REDIS_URL": self.redis_url,
            "WRITEBACK_CONNECTIONS_FILE": str(self._connections_file()),
            "WRITEBACK_DATA_DIR": str(self.folder),
            "WRITEBACK_POOL_SIZE": "4",
            "WRITEBACK_WORKER_THREADS": "4",
            **self.environment,
        }

    def _connections_file(self) -> Path:
        file = self.folder / "connections.toml"
        timings = "\n".join(f"{name} = {seconds}" for name, seconds in TIMINGS.items())
        file.write_text(
            f'[[connection]]\ntenant = "{TENANT}"\nname = "{CONNECTION}"\nadapter = "fhir_r4"\n'
            f'base_url = "{self.sandbox.url}"\n[connection.timings]\n{timings}\n',
            encoding="utf-8",
        )
        return file

    # --- commands

    @property
    def door(self) -> Services:
        """A receiver in this process, as the API has one."""
        if self._door is None:
            settings = Settings(
                environment="faults",
                database_url=self.database_url,
                redis_url=self.redis_url,
                connections_file=self._connections_file(),
                pool_size=4,
                worker_threads=4,
            )
            self._door = build(settings)
        return self._door

    def close_door(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None

    def new_patient(self) -> str:
        """Admit somebody and record a consent; returns the id."""
        self._patients += 1
        patient = f"f{self._patients}"
        self.sandbox.seed(
            [{"resourceType": "Patient", "id": patient, "birthDate": "1961-04-02", "name": [{"family": "Lopez"}]}]
        )
        terms = ConsentTerms(
            id=0,
            reference=f"consent-{patient}",
            version=0,
            patient_key=patient_key(TENANT, CONNECTION, f"Patient/{patient}"),
            active=True,
            purposes=("TREAT",),
            actions=("*",),
            apps=("*",),
            valid_from=datetime.now(UTC) - timedelta(days=1),
            valid_until=None,
        )
        self.door.doors.consents.put(TENANT, terms, actor="test")
        return patient

    def reading(self, patient: str, value: str, *, corrects: UUID | None = None) -> bytes:
        """The JSON of a body weight (kg, as written) of the patient, as an app sends it; or of its correction."""
        operation = "correct" if corrects else "record"
        action = vital_reading_json(operation=operation, valueQuantity=quantity(value, "kg", "kg"))
        over = {"target": {"command": str(corrects)}} if corrects else {}
        who = {"reference": f"Patient/{patient}", "birthDate": "1961-04-02", "family": "Lopez"}
        return as_bytes(envelope_json(action, patient=who, consent={"reference": f"consent-{patient}"}, **over))

    def submit(
        self,
        patient: str | None = None,
        *,
        value: str | None = None,
        key: str | None = None,
        corrects: UUID | None = None,
    ) -> UUID:
        """Accept a reading as the door does, hint included, and remember the receipt."""
        patient = patient or self.new_patient()
        value = value or f"{60 + len(self.receipts) % 30}.{len(self.receipts) % 10}0"
        receipt: DoorReceipt = self.door.receiver.receive(
            self.reading(patient, value, corrects=corrects), principal=PRINCIPAL, key=key, door="http"
        )
        return self.promised(receipt.id, patient, value)

    def promised(self, command: UUID, patient: str, value: str) -> UUID:
        """Remember a receipt: its command must end in the chart."""
        if all(known.command != command for known in self.receipts):
            self.receipts.append(Receipt(command=command, patient=f"Patient/{patient}", value=value))
        return command

    # --- looking

    def query(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Look into (or reach into) the database, past every proxy."""
        url = make_url(self.direct_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def is_up(self) -> bool:
        """Whether the processes' way to the database is open."""
        try:
            self.door.doors.check()
        except StoreUnavailableError:
            return False
        return True

    def state(self, command: UUID) -> str:
        return str(self.query("SELECT state FROM commands WHERE id = %(id)s", id=command)[0]["state"])

    def attempts(self, command: UUID) -> list[tuple[str, str | None]]:
        found = self.query("SELECT kind, outcome FROM attempts WHERE command_id = %(id)s ORDER BY id", id=command)
        return [(row["kind"], row["outcome"]) for row in found]

    def cases(self, command: UUID) -> list[str]:
        found = self.query("SELECT kind FROM cases WHERE command_id = %(id)s ORDER BY id", id=command)
        return [row["kind"] for row in found]

    def written(self) -> list[Written]:
        """What the chart holds of ours, oldest first: each version under the command that wrote it."""
        return [
            Written(
                mark=_mark_of(version["resource"]),
                reference=f"Observation/{found['id']}",
                patient=version["resource"]["subject"]["reference"],
                value=str(version["resource"]["valueQuantity"]["value"]),
            )
            for found in self.sandbox.resources("Observation")
            for version in self.sandbox.history(f"Observation/{found['id']}")
        ]

    def times_written(self, command: UUID) -> int:
        return sum(item.mark == str(command) for item in self.written())

    def write_requests(self) -> list[str]:
        """The request ids of the writes that we sent; what a proxy of the EHR's sent twice counts once."""
        writes = [item for item in self.sandbox.requests() if item["interaction"] in {"create", "update"}]
        doubled = {item["headers"]["x-request-id"] for item in writes if item["fault"] == "duplicate_delivery"}
        once = [item["headers"]["x-request-id"] for item in writes if item["fault"] != "duplicate_delivery"]
        return [*once, *doubled]

    # --- waiting and judging

    def wait(self, condition: Callable[[], bool], *, within: timedelta = SOON, what: str = "it") -> None:
        assert wait_until(condition, within=within, look_again=timedelta(milliseconds=50)), f"{what} did not come about"

    def wait_until_served(self, url: str) -> None:
        """Wait until something answers there."""

        def answers() -> bool:
            try:
                return httpx.get(url, timeout=1).status_code < 500
            except httpx.TransportError:
                return False

        self.wait(answers, what=url)

    def wait_for(self, command: UUID, *states: str, within: timedelta = SOON) -> None:
        """Wait until the command is in one of ``states``."""
        self.wait(lambda: self.state(command) in states, within=within, what=f"{states} of {command}")

    def open_commands(self) -> int:
        """How many commands have not come to rest."""
        counted = self.query("SELECT count(*) AS n FROM commands WHERE state = ANY (%(open)s)", open=sorted(OPEN))
        return int(counted[0]["n"])

    def wait_settled(self, *, within: timedelta = SOON) -> None:
        """Wait until nothing is open any more and no lane is held."""
        waiting = (
            "SELECT state, count(*) AS n, min(id::text) AS one FROM commands WHERE state = ANY (%(open)s) GROUP BY 1"
        )
        closed = "SELECT closed_reason, failures, not_before > now() AS closed FROM connections"
        still = sorted(OPEN - {State.IN_REVIEW, State.CONFLICTED})
        if not wait_until(
            lambda: not self.query(waiting, open=still), within=within, look_again=timedelta(milliseconds=100)
        ):
            raise AssertionError(f"not settled: {self.query(waiting, open=still)}, {self.query(closed)}")

    def assert_good(self, *, within: timedelta = SOON) -> None:
        """Wait until all is settled, then judge everything since this installation began."""
        self.wait_settled(within=within)
        found = judge(
            read_record(self.direct_url),
            self.receipts,
            self.written(),
            ended=self.ended,
            requests=self.write_requests(),
        )
        if found:
            raise AssertionError("\n".join(f"{item.rule}: {item.what}" for item in found))

    def close(self) -> None:
        self.stop()
        self.close_door()


def _mark_of(resource: dict[str, Any]) -> str:
    """The command that wrote this version: that of its last change, else that of its creation."""
    marks = {item["system"]: str(item["value"]) for item in resource.get("identifier", ())}
    return marks.get(CHANGE_MARK) or marks.get(MARK, "nobody")
