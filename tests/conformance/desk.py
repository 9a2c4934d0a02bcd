"""One EHR's desk in the suite: commands submitted for patients of their own and driven to rest by the product's own parts.

Time passes when the desk says so; nothing here writes to the chart but the product and, where it is said, a clinician.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from adapters.adapter import Adapter
from adapters.ehr import RestEhr
from canonical.capabilities import Capabilities
from canonical.outcome import ProbeResult
from canonical.ports import Operation, Resource, Trace
from canonical.retry import Backoff
from store.database import transaction
from store.healing import stored_operations
from store.held_lanes import PostgresLanes
from store.intake import Accepted
from store.proofs import Proofs
from store.watch_list import WatchList
from tasks.turn import LaneTurn
from tasks.verify import Verifier
from tests.conformance import examples
from tests.conformance.connection import Connection, opened, options_of, play
from tests.factories import Json
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import Ward

TRACE = Trace(correlation_id="conformance", request_id="conformance")
#: Where a command rests until a person, or the EHR's staff, does something.
AT_REST = frozenset({"verified", "compensated", "pending_remote", "in_review", "conflicted", "incomplete", "rejected"})
_WRITES = frozenset({"create", "update", "patch", "delete", "transaction", "batch"})
_MOST_TURNS = 12
_NOW_DUE = """
UPDATE commands SET due_at = least(due_at, clock_timestamp()) WHERE lane_id = %(lane)s AND state IN ('ready', 'unknown')
"""
_OPEN = "UPDATE connections SET not_before = '-infinity', failures = 0, closed_reason = NULL"
_LATER = Backoff(base=timedelta(minutes=1), cap=timedelta(minutes=5))
_numbers = itertools.count(1)


@dataclass
class Desk:
    """An EHR opened on the sandbox, and the ward whose commands go there."""

    adapter: Adapter
    connection: Connection
    sandbox: RunningSandbox
    ward: Ward
    ehr: RestEhr
    #: One for all turns, as in a worker: a session of its own for each would spend most of a turn on starting it.
    lanes: PostgresLanes
    envelopes: dict[UUID, tuple[Json, dict[str, Any]]] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        """What this connection declares."""
        return self.ehr.capabilities

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the connection."""
        return options_of(self.adapter)

    def admit(self) -> str:
        """Put a new patient with an open visit into the chart; return the patient's id."""
        patient = f"c{next(_numbers)}"
        self.sandbox.seed([person(patient), visit(patient)])
        return patient

    def envelope(self, patient: str, action: Json, **more: Any) -> dict[str, Any]:
        """Return the members of the envelope about ``patient`` besides the action."""
        at = {"encounter": {"reference": f"Encounter/v-{patient}"}} if action["type"] in self.connection.visits else {}
        who = {"reference": f"Patient/{patient}", "birthDate": "1961-04-02", "family": "Lopez"}
        by = {"reference": "Practitioner/n1", "role": "nurse"}
        if (action["type"], action["operation"]) in self.connection.by_patients:
            by = {"reference": f"Patient/{patient}", "role": "patient"}
        return {"patient": who, "author": by, **at, **more}

    def submit(self, patient: str, action: Json, **more: Any) -> Accepted:
        """Accept a command; the same again by :meth:`again`."""
        action = examples.about(action, patient)
        envelope = {"key": f"{patient}-{next(_numbers)}", **self.envelope(patient, action, **more)}
        accepted = self.ward.submit(action, **envelope)
        self.envelopes[accepted.command_id] = (action, envelope)
        return accepted

    def said(self, command: UUID) -> Json:
        """Return the action of a command as it was submitted."""
        return self.envelopes[command][0]

    def again(self, command: UUID) -> Accepted:
        """Submit a command once more under its key."""
        action, envelope = self.envelopes[command]
        return self.ward.submit(action, **envelope)

    def take_turn(self, accepted: Accepted) -> str:
        """Let a worker take one turn, or the proof one look; return the state after it."""
        lane = accepted.lane_id
        self.ward.query(_OPEN)
        self.ward.let_time_pass(lane)
        self.ward.query(_NOW_DUE, lane=lane)
        if self.ward.state(accepted.command_id) == "applied":
            Verifier(proofs=Proofs(self.ward.engine, actor="test"), ehrs=lambda _tenant, _name: self.ehr).run(
                accepted.command_id
            )
        else:
            WatchList(self.ward.engine, actor="test").resume_parked(limit=100)
            self.ward.run(lane, replace(_patient_turn(self.ward.turn(chart=self.ehr)), lanes=self.lanes))
        return self.ward.state(accepted.command_id)

    def drive(self, accepted: Accepted) -> str:
        """Let turns and looks follow each other until the command rests; return its state."""
        for _ in range(_MOST_TURNS):
            if self.ward.state(accepted.command_id) in AT_REST:
                break
            self.take_turn(accepted)
        return self.ward.state(accepted.command_id)

    def operations(self, command: UUID) -> list[Operation]:
        """Return what was journaled to be sent, in order."""
        with transaction(self.ward.engine) as connection:
            return list(stored_operations(connection, command))

    def reference(self, command: UUID) -> str:
        """Return ``Type/id`` of the command's own entry, as the product knows it."""
        sql = "SELECT reference FROM operations WHERE command_id = %(id)s AND is_primary"
        (row,) = self.ward.query(sql, id=command)
        return str(row["reference"])

    def stored(self, reference: str) -> Resource:
        """Read an entry as the EHR shows it."""
        resource = self.ehr.fetch(reference, TRACE).resource
        assert resource is not None, f"{reference} is not to be read"
        return resource

    def probe(self, operation: Operation) -> ProbeResult:
        """Ask the EHR what a worker would ask of a write whose answer was lost."""
        return self.ehr.probe(operation, TRACE)

    def writes(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the writing requests that the EHR was sent."""
        return [item for item in self.sandbox.requests(since=since) if item["interaction"] in _WRITES]

    def last_request(self) -> int:
        """Return the number of the latest request in the EHR's log."""
        log = self.sandbox.requests()
        return int(log[-1]["id"]) if log else 0

    def chart(self, patient: str) -> list[Resource]:
        """Return what clients' writes made of the patient's chart: without the patient, the visit and what was seeded."""
        whole = self.sandbox.resources()
        mine = (item for item in whole if f"Patient/{patient}" in _subjects(item))
        return [item for item in mine if item["resourceType"] != "Encounter"]

    def held(self, patient: str) -> list[dict[str, Any]]:
        """Return what the EHR's staff have of the patient to decide about."""
        waiting = self.sandbox.admin.get("held").json()["held"]
        return [item for item in waiting if f"Patient/{patient}" in _subjects(item["resource"])]

    def accept(self, patient: str) -> None:
        """Let the EHR's staff take over all that waits of the patient."""
        for item in self.held(patient):
            assert self.sandbox.admin.post(f"held/{item['id']}/accept").is_success

    def made(self, patient: str, action: str, operation: str) -> Accepted:
        """Let the target of an operation come to be through the product; return the command that made it."""
        first, *then = examples.before(action, operation)
        says = examples.TARGET_SAYS.get((action, operation))
        created = self.submit(patient, examples.example(action, first, self.connection, says))
        assert self.drive(created) == "verified", self.told(created.command_id)
        for name in then:
            changed = self.change(patient, created, action, name)
            assert self.drive(changed) == "verified", self.told(changed.command_id)
        return created

    def change(self, patient: str, of: Accepted, action: str, operation: str, **more: Any) -> Accepted:
        """Submit a change of what a command made, as an author who looks now sees it."""
        said = examples.example(action, operation, self.connection)
        return self.submit(patient, said, target=self.target(of.command_id, said), **more)

    def target(self, command: UUID, said: Json) -> dict[str, Any]:
        """Return the target of a change to what ``command`` made, seen as the chart is now: also what it has not."""
        projection = self.ehr.project(self.stored(self.reference(command)))
        seen = dict.fromkeys(_CHANGED & said.keys()) | {
            name: value for name, value in projection.items() if name in _SEEN | _CHANGED
        }
        return {"command": str(command), "seen": seen, "acknowledged": examples.acknowledged()}

    def told(self, command: UUID) -> str:
        """Return what happened to a command, for the message of a failed test: no content."""
        sql = "SELECT kind, outcome, status, vendor_code, detail FROM attempts WHERE command_id = %(id)s ORDER BY id"
        attempts = [tuple(row.values()) for row in self.ward.query(sql, id=command)]
        sql = "SELECT detail FROM events WHERE command_id = %(id)s ORDER BY seq DESC LIMIT 1"
        detail = self.ward.query(sql, id=command)[0]["detail"]
        state, reason = self.ward.state(command), self.ward.reason(command)
        return f"{state} ({reason}) {self.ward.events(command)} {self.ward.cases(command)} {attempts} {detail}"


def _patient_turn(turn: LaneTurn) -> LaneTurn:
    """Return a turn that leaves what must be tried again to the next one: the desk says when that is."""
    journey, probing = replace(turn.journey, backoff=_LATER), replace(turn.probing, backoff=_LATER)
    return replace(turn, backoff=_LATER, journey=journey, probing=probing)


#: What an author has on the screen: names and states, by which every list shows its entries.
_SEEN = frozenset(
    {
        *("status", "clinicalStatus", "code", "medication", "valueQuantity", "docType", "topic", "description"),
        *("item", "vaccineCode"),
    }
)


#: And what they come to change.
_CHANGED = frozenset({"dosage", "reaction"})


def _subjects(resource: Mapping[str, Any]) -> set[str]:
    elements = (resource.get(name) for name in ("subject", "patient", "for", "sender"))
    return {str(item.get("reference", "")) for item in elements if isinstance(item, Mapping)}


def person(patient: str) -> Json:
    """Return the resource of a patient of the suite."""
    return {"resourceType": "Patient", "id": patient, "birthDate": "1961-04-02", "name": [{"family": "Lopez"}]}


def visit(patient: str) -> Json:
    """Return the open encounter in which the examples' times lie."""
    return {
        "resourceType": "Encounter",
        "id": f"v-{patient}",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": "2026-03-10T09:00:00-04:00"},
    }


@contextmanager
def desk_at(sandbox: RunningSandbox, ward: Ward, adapter: Adapter) -> Iterator[Desk]:
    """Let the sandbox play the adapter's EHR and open a desk at it."""
    connection = play(sandbox, adapter.key)
    with opened(sandbox, adapter) as ehr, closing(PostgresLanes(ward.url, actor="test")) as lanes:
        yield Desk(adapter=adapter, connection=connection, sandbox=sandbox, ward=ward, ehr=ehr, lanes=lanes)


@dataclass
class Desks:
    """The desk of one adapter at a time: the sandbox is one, and plays another EHR when another adapter's turn comes."""

    sandbox: RunningSandbox
    ward: Ward
    _open: ExitStack = field(default_factory=ExitStack)
    _desk: Desk | None = None

    def at(self, adapter: Adapter) -> Desk:
        """Return the open desk of ``adapter``, without faults; the last one's is closed."""
        if self._desk is None or self._desk.adapter is not adapter:
            self.close()
            self._desk = self._open.enter_context(desk_at(self.sandbox, self.ward, adapter))
        self.sandbox.faults()
        return self._desk

    def close(self) -> None:
        """Close the open desk."""
        self._desk = None
        self._open.close()
