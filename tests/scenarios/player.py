"""Plays a scenario through the product's own parts at the sandbox: real stores, the real adapter, a synthetic patient."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

from adapters import adapters
from canonical.action import action_specs
from canonical.events import move
from canonical.incident.report import Incident, IncidentLimits, JudgedCommand
from canonical.incident.scenario import Do, Scenario, Step
from canonical.lifecycle import State, Trigger
from canonical.outcome import Settlement
from canonical.ports import Ehr, Operation, Resource, Trace
from reconcile.incident_report import IncidentReports
from store.database import transaction
from store.incidents import StoredIncidents
from store.intake import Accepted
from store.moves import apply_move
from tests.conformance import examples
from tests.conformance.desk import Desk, desk_at
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import Ward

RUIZ = {"name": "Dr A. Ruiz", "role": "physician", "reference": "Practitioner/d1"}
CHANGE_SYSTEM = "urn:fhir-writeback:change"
#: A write of ours carries a body, a look does not.
WRITES = {"headers": {"content-type": "."}}
#: What a row looks like when the record knows something else than it did: reason → statement.
ALTERED = {
    "state-without-event": "UPDATE commands SET state = 'in_review' WHERE id = %(id)s",
    "in-chart-without-proof": "UPDATE operations SET state = 'applied' WHERE command_id = %(id)s",
    "nobody-is-asked": "UPDATE cases SET closed_at = clock_timestamp() WHERE command_id = %(id)s",
    "in-flight-too-long": "UPDATE commands SET state_since = state_since - interval '2 days' WHERE id = %(id)s",
    "due-too-long": "UPDATE commands SET due_at = due_at - interval '2 days' WHERE id = %(id)s",
}
_EVENT = """
WITH c AS (UPDATE commands SET event_seq = event_seq + {gap}, state = '{target}' WHERE id = %(id)s RETURNING *)
INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor)
SELECT tenant, id, event_seq, '{trigger}', {source}, state, 'test', 'test' FROM c
"""
ALTERED |= {
    "events-missing": _EVENT.format(gap=2, target="verified", trigger="acknowledged", source="state"),
    "event-out-of-place": _EVENT.format(gap=1, target="verified", trigger="acknowledged", source="'parked'"),
    "ended-but-in-chart": _EVENT.format(gap=1, target="rejected", trigger="refused_by_person", source="'verified'"),
}


class EditedBeforeSend:
    """The EHR of the desk, at which somebody changes an entry in the moment between our read and our write."""

    def __init__(self, ehr: Ehr, edit: Callable[[str], None]) -> None:
        self._ehr, self._edit = ehr, edit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ehr, name)

    def send(self, operation: Operation, trace: Trace) -> Settlement:
        assert operation.reference is not None, "only an entry that is there can be changed before it is written"
        self._edit(operation.reference)
        return self._ehr.send(operation, trace)


@dataclass
class Player:
    """One scenario at the desk of its EHR."""

    desk: Desk
    scenario: Scenario
    _accepted: Accepted | None = None
    _rules: list[dict[str, Any]] = field(default_factory=list)
    _wrote_at: float = 0.0
    _edit_before: str = ""

    def play(self) -> None:
        """Take every step in its order."""
        self.desk.sandbox.settings(**self.scenario.behaviour)
        for step in self.scenario.steps:
            STEPS[step.do](self, step)

    @property
    def accepted(self) -> Accepted:
        """The command that it is about."""
        assert self._accepted is not None, "a scenario begins with 'submit'"
        return self._accepted

    def submit(self, _step: Step) -> None:
        desk, action, operation = self.desk, self.scenario.action, self.scenario.operation
        patient = desk.admit()
        if action_specs()[action].operations[operation].creates:
            self._accepted = desk.submit(patient, examples.example(action, operation, desk.connection))
        else:
            self._accepted = desk.change(patient, desk.made(patient, action, operation), action, operation)
        self._wrote_at = time.time()

    def fault(self, step: Step) -> None:
        rule: dict[str, Any] = {"id": str(uuid4()), "fault": step.what, "times": 1}
        if step.on == "write":
            rule["match"] = WRITES
        elif step.what == "stale":
            creates = action_specs()[self.scenario.action].operations[self.scenario.operation].creates
            rule["fault"] = "stale_search" if creates else "read_lag"
            rule["parameters"] = {"seconds": time.time() - self._wrote_at}
        else:
            rule["match"] = {"method": "GET"}
        self._rules.append(rule)
        self.desk.sandbox.faults(*self._rules)

    def turn(self, _step: Step) -> None:
        ehr = self.desk.ehr
        if self._edit_before:
            what, self._edit_before = self._edit_before, ""
            self.desk.ehr = cast("Any", EditedBeforeSend(ehr, lambda reference: self._edit(reference, what)))
        self.desk.take_turn(self.accepted)
        self.desk.ehr = ehr
        fired = self.desk.sandbox.fired()
        self._rules = [rule for rule in self._rules if not fired.get(rule["id"])]
        self.desk.sandbox.faults(*self._rules)

    def resend(self, _step: Step) -> None:
        command = self.accepted.command_id
        with transaction(self.desk.ward.engine) as connection:
            step = move(State(self.desk.ward.state(command)), Trigger.RESEND_DECIDED)
            assert apply_move(connection, command, step, actor="person:reviewer")

    def edit(self, step: Step) -> None:
        if step.on == "send":
            self._edit_before = step.what
        else:
            self._edit(self.desk.reference(self.accepted.command_id), step.what)

    def _edit(self, reference: str, what: str) -> None:
        body = changed(self._stored(reference))
        if what == "forgotten":
            others = [item for item in body.get("identifier", []) if item.get("system") != CHANGE_SYSTEM]
            body["identifier"] = [*others, {"system": CHANGE_SYSTEM, "value": str(uuid4())}]
        by: dict[str, Any] = {"by": RUIZ} if what == "named" else {}
        self.desk.sandbox.edit(body, **by)

    def remove(self, step: Step) -> None:
        reference = self.desk.reference(self.accepted.command_id)
        by = {"by": RUIZ} if step.what == "named" else {}
        assert self.desk.sandbox.admin.post("edit", json={"delete": reference, **by}).is_success

    def lose(self, _step: Step) -> None:
        kind, _, name = self.desk.reference(self.accepted.command_id).partition("/")
        with sqlite3.connect(self.desk.sandbox.data_dir / "sandbox.sqlite3") as connection:
            connection.execute("DELETE FROM versions WHERE type = ? AND id = ?", (kind, name))
        connection.close()

    def alter(self, step: Step) -> None:
        self.desk.ward.query(ALTERED[step.what], id=self.accepted.command_id)

    def _stored(self, reference: str) -> Resource:
        whole = self.desk.sandbox.resources()
        (found,) = [item for item in whole if f"{item['resourceType']}/{item['id']}" == reference]
        return found


STEPS: dict[Do, Callable[[Player, Step], None]] = {
    Do.SUBMIT: Player.submit,
    Do.FAULT: Player.fault,
    Do.TURN: Player.turn,
    Do.RESEND: Player.resend,
    Do.EDIT: Player.edit,
    Do.REMOVE: Player.remove,
    Do.LOSE: Player.lose,
    Do.ALTER: Player.alter,
}


def changed(resource: Resource) -> Resource:
    """Return an entry as somebody changed it who means something else, in what our own change of it leaves alone too."""
    more: Resource = {"note": [{"text": "changed in the EHR"}]}
    if "valueQuantity" in resource:
        more |= {"valueQuantity": {**resource["valueQuantity"], "value": Decimal(99)}, "method": {"text": "by hand"}}
    return {**resource, **more}


@dataclass(frozen=True)
class Played:
    """What came of a scenario: the whole report, and the command that it was about."""

    incident: Incident
    judged: JudgedCommand
    desk: Desk


def play(scenario: Scenario, sandbox: RunningSandbox, ward: Ward, **limits: Any) -> Played:
    """Play a scenario from a clean sandbox, and report of it."""
    begun = datetime.now(UTC) - timedelta(seconds=1)
    ward.query("UPDATE connections SET adapter = %(adapter)s", adapter=scenario.adapter)
    with desk_at(sandbox, ward, adapters()[scenario.adapter]) as desk:
        player = Player(desk=desk, scenario=scenario)
        player.play()
        incident = report(desk, begun, **limits)
    judged = [item for item in incident.commands if item.record.id == player.accepted.command_id]
    return Played(incident, judged[0], desk)


def report(desk: Desk, begun: datetime, **limits: Any) -> Incident:
    """Report of what happened since ``begun``, at the EHR as it is now."""
    reports = IncidentReports(
        records=StoredIncidents(desk.ward.engine),
        ehrs=lambda _tenant, _name: desk.ehr,
        clock=lambda: datetime.now(UTC),
        limits=IncidentLimits(**limits),
    )
    return reports.make(begun, datetime.now(UTC) + timedelta(minutes=1))
