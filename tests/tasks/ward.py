"""A small ward for tests of the write: one connection, one consent, a chart, and a way to submit and to take turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Engine

from canonical import exact_json, idempotency
from canonical.admission import patient_key
from canonical.envelope import envelope_from
from canonical.ports import ConnectionSettings, Ehr, Timings
from canonical.retry import Backoff
from store import connections
from store.database import rows, transaction
from store.held_lanes import PostgresLanes
from store.intake import Accepted, NewCommand, accept
from store.proofs import Proofs
from tasks.faultpoints import Faultpoints
from tasks.journey import Journey
from tasks.patients import Patients
from tasks.preparation import Preparation
from tasks.probing import Probing
from tasks.turn import LaneTurn, TurnReport
from tasks.verify import Verifier
from tests.tasks.chart import SHORT, Chart

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-02", "name": [{"family": "Lopez"}]}
QUICK = Backoff(base=timedelta(milliseconds=1), cap=timedelta(milliseconds=5))


def heart_rate(**more: Any) -> dict[str, Any]:
    """Return the JSON of a heart rate to record."""
    return {
        "type": "VitalReading",
        "operation": "record",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
        "valueQuantity": {
            "value": exact_json.WrittenDecimal("72.50"),
            "unit": "beats/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
        "effectiveDateTime": "2026-03-08T09:30:00-05:00",
        **more,
    }


@dataclass
class Ward:
    """Everything of one connection; ``url`` is the database's."""

    engine: Engine
    url: str
    chart: Chart
    connection_id: int
    consent_id: int
    switch_ids: tuple[int, ...]
    opened: list[PostgresLanes] = field(default_factory=list)
    #: Whether what takes an entry back is read back after its turn; a test of the proof itself looks by its own hand.
    reads_back: bool = True

    def lanes(self) -> PostgresLanes:
        lanes = PostgresLanes(self.url, actor="test")
        self.opened.append(lanes)
        return lanes

    def close(self) -> None:
        for lanes in self.opened:
            lanes.close()

    def turn(
        self, *, chart: Ehr | None = None, plan: dict[str, str] | None = None, once_in: Path | None = None
    ) -> LaneTurn:
        """Return a worker's turn of its own: own lock session, own memory of patients."""
        ehr = chart or self.chart
        faultpoints = Faultpoints(plan=plan or {}, once_in=once_in)

        def ehrs(_tenant: str, _connection: str) -> Ehr:
            return ehr

        return LaneTurn(
            lanes=self.lanes(),
            preparation=Preparation(ehrs=ehrs, patients=Patients(clock=lambda: datetime.now(UTC))),
            journey=Journey(ehrs=ehrs, faultpoints=faultpoints, backoff=QUICK, random=Random(1)),
            probing=Probing(ehrs=ehrs, faultpoints=faultpoints, backoff=QUICK, random=Random(1)),
            faultpoints=faultpoints,
            backoff=QUICK,
            random=Random(1),
        )

    def submit(
        self,
        action: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        new: dict[str, Any] | None = None,
        **envelope: Any,
    ) -> Accepted:
        """Accept a command as the door would; ``new`` overrides members of the stored command."""
        return accept(self.engine, self.new(action, key=key, new=new, **envelope))

    def new(
        self,
        action: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        new: dict[str, Any] | None = None,
        **envelope: Any,
    ) -> NewCommand:
        """Return a command as the door hands it to the store."""
        body = {
            "connection": "north",
            "action": action or heart_rate(),
            "patient": {"reference": "Patient/p1", "birthDate": "1961-04-02", "family": "Lopez"},
            "author": {"role": "nurse"},
            "consent": {"reference": "c1"},
            **envelope,
        }
        parsed = envelope_from(body)
        rule = _rule(parsed)
        target = parsed.target
        members: dict[str, Any] = {
            "id": uuid4(),
            "tenant": "t1",
            "app": "app",
            "connection_id": self.connection_id,
            "patient_key": patient_key("t1", parsed.connection, parsed.patient.reference),
            "action_type": parsed.action.type,
            "operation": parsed.action.operation,
            "creates": rule.creates,
            "takes_back": rule.takes_back,
            "envelope": exact_json.dumps(body).encode(),
            "fingerprint": idempotency.fingerprint(parsed),
            "key_hash": idempotency.key_hash("t1", "app", key or str(uuid4())),
            "correlation_id": "corr",
            "consent_id": self.consent_id,
            "consent_version": 1,
            "switch_ids": self.switch_ids,
            "author_digest": b"nurse",
            "author_assurance": "asserted",
            "actor": "test",
            "target_reference": target.reference if target else None,
            "target_command": target.command if target else None,
            "after": parsed.after or (),
            "not_after": parsed.not_after,
            "priority": parsed.priority,
        }
        return NewCommand(**{**members, **(new or {})})

    def run(self, lane_id: int | None, turn: LaneTurn | None = None) -> TurnReport:
        assert lane_id is not None
        taken = turn or self.turn()
        report = taken.run(lane_id)
        if self.reads_back:
            self._read_back_what_takes_back(lane_id, taken)
        return report

    def _read_back_what_takes_back(self, lane_id: int, turn: LaneTurn) -> None:
        """Look for the proof that an answer alone never is, as a worker does after its turn."""
        sql = "SELECT id FROM commands WHERE lane_id = %(lane)s AND state = 'applied' AND (takes_back OR undoes IS NOT NULL)"
        verifier = Verifier(proofs=Proofs(self.engine, actor="test"), ehrs=turn.journey.ehrs)
        for row in self.query(sql, lane=lane_id):
            verifier.run(row["id"])

    def query(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        with transaction(self.engine) as connection:
            return list(rows(connection, sql, parameters))

    def state(self, command: UUID) -> str:
        return str(self.query("SELECT state FROM commands WHERE id = %(id)s", id=command)[0]["state"])

    def reason(self, command: UUID) -> str:
        return str(self.query("SELECT state_reason FROM commands WHERE id = %(id)s", id=command)[0]["state_reason"])

    def events(self, command: UUID) -> list[str]:
        """Return the triggers of a command's events in order."""
        found = self.query("SELECT trigger FROM events WHERE command_id = %(id)s ORDER BY seq", id=command)
        return [row["trigger"] for row in found]

    def cases(self, command: UUID) -> list[str]:
        return [row["kind"] for row in self.query("SELECT kind FROM cases WHERE command_id = %(id)s", id=command)]

    def attempts(self, command: UUID) -> list[tuple[str, str | None]]:
        sql = "SELECT kind, outcome FROM attempts WHERE command_id = %(id)s ORDER BY id"
        return [(row["kind"], row["outcome"]) for row in self.query(sql, id=command)]

    def is_at_rest(self) -> bool:
        """Whether no lane is leased and no slot is taken."""
        leased = self.query("SELECT 1 FROM lanes WHERE lease_until > clock_timestamp()")
        taken = self.query("SELECT 1 FROM slots WHERE until > clock_timestamp()")
        return not leased and not taken

    def let_time_pass(self, lane_id: int | None) -> None:
        """End the lane's lease and quarantine now, as waiting would."""
        self.query(
            "UPDATE lanes SET lease_until = '-infinity', quarantine_until = '-infinity' WHERE id = %(lane)s",
            lane=lane_id,
        )


def _rule(envelope: Any) -> Any:
    from canonical.action import spec_for

    return spec_for(envelope.action).rule(envelope.action)


def open_ward(engine: Engine, url: str, *, max_in_flight: int = 8, timings: Timings = SHORT) -> Ward:
    """Set up tenant ``t1``, connection ``north`` and an active consent, and return the ward."""
    chart = Chart(timings=timings)
    chart.admit(PATIENT)
    settings = ConnectionSettings(
        tenant="t1",
        name="north",
        adapter="chart",
        base_url="http://none",
        timings=chart.timings,
        max_in_flight=max_in_flight,
    )
    connection_id = connections.sync_connections(engine, [settings])[0].id
    switches = connections.ensure_switches(engine, tenant="t1", connection="north", app="app", action="VitalReading")
    with transaction(engine) as connection:
        consent = rows(connection, _CONSENT)[0]["id"]
    return Ward(
        engine=engine, url=url, chart=chart, connection_id=connection_id, consent_id=consent, switch_ids=switches
    )


_CONSENT = """
INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps, valid_from)
VALUES ('t1', 'c1', '', 1, true, '{TREAT}', '{}', '{}', now()) RETURNING id
"""


def revoke_consent(connection: psycopg.Connection[Any], consent_id: int) -> None:
    """Revoke as the consents door does: a new version, not active."""
    connection.execute(
        "UPDATE consents SET version = version + 1, active = false WHERE id = %(id)s", {"id": consent_id}
    )
