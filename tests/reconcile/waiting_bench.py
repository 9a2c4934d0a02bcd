"""Writes that wait for the staff of a real sandbox EHR, and the sweep and looks that find out what the staff did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from adapters import adapters
from canonical.acceptance import Seen
from canonical.ports import Ehr
from config.wiring import Services
from reconcile import pending_remote
from reconcile.acceptance_look import AcceptanceLook
from store.intake import Accepted
from store.waiting_writes import StoredWaitingWrites
from tests.conformance import examples
from tests.conformance.desk import Desk, desk_at
from tests.reconcile.conftest import Noted, let_wait
from tests.sandbox_fixture import RunningSandbox
from tests.tasks.ward import Ward

_OF = {
    "AllergyIntolerance": ("AllergyUpdate", "record"),
    "Condition": ("ProblemUpdate", "add"),
    "Observation": ("VitalReading", "record"),
}


@dataclass
class WaitingBench:
    """``desk`` is at the sandbox; ``services`` look there with the connection's ``options``."""

    desk: Desk
    services: Services
    hands: Noted = field(default_factory=Noted)

    @property
    def ward(self) -> Ward:
        return self.desk.ward

    def waiting(self, kind: str = "AllergyIntolerance") -> tuple[str, Accepted]:
        """Return a patient, and a command of theirs that the EHR's staff have."""
        patient = self.desk.admit()
        action, operation = _OF[kind]
        accepted = self.desk.submit(patient, examples.example(action, operation, self.desk.connection), encounter=None)
        assert self.desk.drive(accepted) == "pending_remote", self.desk.told(accepted.command_id)
        assert len(self.desk.held(patient)) == 1
        return patient, accepted

    def with_options(self, **options: Any) -> WaitingBench:
        """Return the bench with other options of its connection."""
        key, settings = ("t1", "north"), self.services.connections["t1", "north"]
        known = {key: replace(settings, options=options)}
        look = replace(self.services.acceptance_look, connections=known)
        return WaitingBench(self.desk, replace(self.services, connections=known, acceptance_look=look))

    def looker(self, ehr: Ehr | None = None) -> AcceptanceLook:
        """Return what looks at the EHR, or at ``ehr``."""
        found = ehr or self.desk.ehr
        return replace(self.services.acceptance_look, ehrs=lambda _tenant, _name: found)

    def sweep(self) -> list[UUID]:
        """Return what one run of the sweep hands out."""
        self.hands.waiting.clear()
        pending_remote.run_once(self.services, self.hands)
        return list(self.hands.waiting)

    def ask(self) -> list[Seen | None]:
        """Let the time of the next look come, and look."""
        let_wait(self.ward, 7 * 3600)
        return [self.looker().run(command) for command in self.sweep()]

    def due_in(self, command: UUID) -> float:
        """Return in how many seconds it is asked for again."""
        sql = "SELECT extract(epoch FROM due_at - clock_timestamp())::float8 AS wait FROM commands WHERE id = %(id)s"
        return float(self.ward.query(sql, id=command)[0]["wait"])

    def decide(self, patient: str, decision: str) -> None:
        """Let the EHR's staff accept or reject what waits of the patient."""
        for item in self.desk.held(patient):
            assert self.desk.sandbox.admin.post(f"held/{item['id']}/{decision}").is_success


@contextmanager
def open_waiting_bench(sandbox: RunningSandbox, ward: Ward, services: Services, adapter: str) -> Iterator[WaitingBench]:
    """Let the sandbox play the adapter's EHR; sound again at the end."""
    with desk_at(sandbox, ward, adapters()[adapter]) as desk:
        look = AcceptanceLook(
            writes=StoredWaitingWrites(ward.engine, actor="test"),
            ehrs=lambda _tenant, _name: desk.ehr,
            connections=services.connections,
        )
        try:
            yield WaitingBench(desk, replace(services, acceptance_look=look))
        finally:
            sandbox.faults()
