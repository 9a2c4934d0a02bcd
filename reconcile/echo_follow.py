"""What is done at once where an entry was changed by somebody else. Each look takes its own work; nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from reconcile.acceptance_look import AcceptanceLook
from reconcile.drift_look import DriftLook
from reconcile.review.engine import ConflictEngine, Looked
from tasks.hints import Hints


@dataclass(frozen=True, kw_only=True)
class EchoFollow:
    """Fills :class:`reconcile.echo_look.Follow` with the looks of this process. Thread-safe."""

    engine: ConflictEngine
    drift: DriftLook
    acceptance: AcceptanceLook
    hints: Hints

    def case(self, tenant: str, case_id: int) -> None:
        if self.engine.run(case_id) is Looked.NOT_TAKEN:
            self.engine.refresh(tenant, case_id)

    def settled(self, command: UUID) -> None:
        self.drift.run(command)

    def waiting(self, command: UUID) -> None:
        self.acceptance.run(command)

    def unanswered(self, lane_id: int) -> None:
        self.hints.dispatch(lane_id)
