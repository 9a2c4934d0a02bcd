"""A chart in memory behind our own `Ehr` port, with answers that a test can choose; it stands in for an EHR, not for SQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from canonical import exact_json
from canonical.action import action_specs
from canonical.capabilities import Support, Way
from canonical.command import Command
from canonical.compound import part_urn
from canonical.entry_history import EntryHistory, EntryVersion
from canonical.errors import EhrUnavailableError, NeedsPersonError, TargetMovedError
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.patient_trail import PatientTrail, TrailEnd
from canonical.ports import (
    Capabilities,
    Check,
    Fetched,
    Interaction,
    Operation,
    Projection,
    Proof,
    Resource,
    Surrounding,
    Timings,
    Trace,
    WireRequest,
)
from canonical.remote_change import ChangeSource, RemoteChange

SHORT = Timings(
    request=timedelta(milliseconds=200),
    slowest_commit=timedelta(milliseconds=50),
    search_lag=timedelta(milliseconds=10),
    margin=timedelta(milliseconds=40),
    send_within=timedelta(seconds=1),
)
#: It takes whatever there is.
EVERYTHING = {
    (spec.type, operation): Support(way=Way.DIRECT) for spec in action_specs().values() for operation in spec.operations
}


@dataclass
class Chart:
    """Resources by reference with a version each; ``on_send`` runs before a write takes effect and may answer instead."""

    key: str = "chart"
    mapping_version: str = "chart-1"
    timings: Timings = SHORT
    proof: Proof = Proof.ANSWER
    conditional_create: bool = True
    resources: dict[str, tuple[int, Resource]] = field(default_factory=dict)
    sent: list[Operation] = field(default_factory=list)
    on_send: Callable[[Operation], Settlement | None] = lambda _operation: None
    lose_answers: int = 0
    parts: int = 0
    already_there: tuple[str, ...] = ()
    looked_at: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False
    change: RemoteChange = field(default_factory=lambda: RemoteChange(source=ChangeSource.BRACKET))
    trails: dict[str, PatientTrail] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Admit the one synthetic patient of the factories."""
        self.capabilities = Capabilities(writes={}, supports=EVERYTHING, proof=self.proof)

    def admit(self, patient: Resource) -> None:
        """Put a Patient into the chart."""
        self.resources[f"Patient/{patient['id']}"] = (1, patient)

    def edit(self, reference: str, **members: Any) -> None:
        """Change a resource as a clinician would."""
        version, resource = self.resources[reference]
        self.resources[reference] = (version + 1, {**resource, **members})

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        if self.down:
            raise EhrUnavailableError("outage")
        version, resource = self.resources.get(reference, (None, None))
        return Fetched(resource=resource, version=None if version is None else str(version))

    def entries(self, resource_type: str, patient: str, trace: Trace) -> tuple[Resource, ...]:
        if self.down:
            raise EhrUnavailableError("outage")
        self.looked_at.append((resource_type, patient))
        found = [{**body, "id": name.partition("/")[2]} for name, (_, body) in self.resources.items()]
        return tuple(body for body in found if body["resourceType"] == resource_type)

    def twins(self, operation: Operation, trace: Trace) -> tuple[str, ...]:
        return self.already_there

    def plan(self, command: Command, around: Surrounding) -> Sequence[Operation]:
        current = around.current
        action = command.envelope.action.as_json()
        body = {
            "resourceType": "Observation",
            "subject": command.envelope.patient.reference,
            "mark": str(command.id),
            "action": action,
        }
        if command.rule.creates:
            return self._creates(command, body)
        if current is None or current.resource is None:
            raise NeedsPersonError("gone", "gone")
        target = command.envelope.target
        allowed = {target.version_id if target else None, *command.known_versions}
        if current.version not in allowed:
            raise TargetMovedError
        return [
            self._operation(
                command, Interaction.UPDATE, body, reference=command.target_reference, if_match=current.version
            )
        ]

    def _creates(self, command: Command, body: Resource) -> list[Operation]:
        """Plan ``parts`` resources and one that refers to all of them."""
        urns = [part_urn(command.id, number) for number in range(1, self.parts + 1)]
        parts = [
            self._operation(
                command,
                Interaction.CREATE,
                body | {"mark": f"{command.id}.{seq}"},
                mark=f"{command.id}.{seq}",
                seq=seq,
                placeholder=urn,
                is_primary=False,
            )
            for seq, urn in enumerate(urns, 1)
        ]
        own = body | {"derivedFrom": [{"reference": urn} for urn in urns]} if urns else body
        return [*parts, self._operation(command, Interaction.CREATE, own, seq=self.parts + 1)]

    def _operation(
        self, command: Command, interaction: Interaction, body: Resource, *, mark: str = "", **more: Any
    ) -> Operation:
        return Operation(
            interaction=interaction,
            resource_type="Observation",
            body=exact_json.dumps(body).encode(),
            mark=mark or str(command.id),
            if_none_exist=f"identifier={mark or command.id}" if interaction is Interaction.CREATE else None,
            mapping_version=self.mapping_version,
            **more,
        )

    def request(self, operation: Operation) -> WireRequest:
        return WireRequest(method="POST", url="chart://", headers={}, body=operation.body)

    def said(self, operation: Operation) -> Resource:
        said: Resource = exact_json.parse(operation.body)
        return said

    def said_on(self, operation: Operation, stored: Resource) -> Resource:
        return self.said(operation)

    def send(self, operation: Operation, trace: Trace) -> Settlement:
        answered = self.on_send(operation)
        if answered is not None:
            return answered
        with self.lock:
            self.sent.append(operation)
            settlement = self._write(operation)
            if self.lose_answers:
                self.lose_answers -= 1
                return Settlement(outcome=Outcome.UNKNOWN, detail="answer lost")
        return settlement

    def _write(self, operation: Operation) -> Settlement:
        body = exact_json.parse(operation.body)
        if operation.interaction is Interaction.UPDATE:
            assert operation.reference is not None
            version = self.resources[operation.reference][0]
            if str(version) != operation.if_match:
                return Settlement(outcome=Outcome.CONFLICT, status=412)
            return self._stored(operation.reference, version + 1, body)
        found = self.marked(operation.mark)
        if found and self.conditional_create:
            return self._stored(found[0], self.resources[found[0]][0], self.resources[found[0]][1])
        return self._stored(f"Observation/o{len(self.resources)}", 1, body)

    def _stored(self, reference: str, version: int, body: Resource) -> Settlement:
        self.resources[reference] = (version, body)
        proven = () if self.proof is Proof.ANSWER else None
        return Settlement(
            outcome=Outcome.APPLIED, status=201, reference=reference, version=str(version), differences=proven
        )

    def marked(self, mark: str) -> list[str]:
        """Return the references of resources that carry ``mark``."""
        return [name for name, (_, body) in self.resources.items() if body.get("mark") == mark]

    def probe(self, operation: Operation, trace: Trace) -> ProbeResult:
        if self.down:
            raise EhrUnavailableError("outage")
        found = self.marked(operation.mark)
        if not found:
            return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED)
        if len(found) > 1:
            return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL)
        return ProbeResult(verdict=ProbeVerdict.APPLIED, reference=found[0], version=str(self.resources[found[0]][0]))

    def differences(self, operation: Operation, stored: Resource) -> tuple[str, ...]:
        return () if exact_json.parse(operation.body) == stored else ("action",)

    def project(self, resource: Resource) -> Projection:
        return resource

    def fields(self, resource: Resource) -> Projection:
        return resource

    def as_seen(self, seen: Mapping[str, Any], stored: Resource | None = None) -> Projection:
        return dict(seen)

    def fetch_version(self, reference: str, version: str, trace: Trace) -> Fetched | None:
        return None

    def changes(
        self,
        reference: str,
        since_version: str | None,
        seen_at: datetime | None,
        trace: Trace,
        *,
        own_versions: Collection[str] = (),
    ) -> RemoteChange:
        return self.change

    def history(self, reference: str, trace: Trace) -> EntryHistory:
        read = self.fetch(reference, trace)
        now = EntryVersion(version=read.version, resource=read.resource)
        return EntryHistory(reference=reference, versions=(now,) if read.resource else (), is_whole=False)

    def copies(self, operation: Operation, trace: Trace) -> tuple[str, ...]:
        if self.down:
            raise EhrUnavailableError("outage")
        return tuple(self.marked(operation.mark)) if operation.interaction is Interaction.CREATE else ()

    def trail_of(self, patient: str, trace: Trace) -> PatientTrail:
        return self.trails.get(patient) or PatientTrail(start=patient, end=TrailEnd.IN_USE)

    def version_of(self, resource: Resource) -> str | None:
        return None

    def check(self) -> list[Check]:
        return []

    def close(self) -> None:
        return None
