"""Finding out what became of a request that got no trustworthy answer; it reads, and never writes to the chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import structlog

from canonical.command import Command
from canonical.compound import progress_of
from canonical.errors import EhrUnavailableError, NeedsPersonError, StoreUnavailableError
from canonical.lanes import HeldLane
from canonical.outcome import ProbeResult, ProbeVerdict
from canonical.patient_trail import TrailEnd
from canonical.ports import Ehr, Interaction, Operation, Trace
from canonical.remapped import looked_for
from canonical.retry import Backoff
from canonical.settling import settle_probe
from tasks.faultpoints import Faultpoints

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Probing:
    """Probes the ``unknown`` command of a held lane, after the quarantine."""

    ehrs: Callable[[str, str], Ehr]
    faultpoints: Faultpoints = field(default_factory=Faultpoints)
    backoff: Backoff = field(default_factory=Backoff)
    random: Random = field(default_factory=Random)

    def probe(self, lane: HeldLane) -> bool:
        """Ask the EHR and store its answer; ``False``: not now, or it could not be asked."""
        claim = lane.claim_probe()
        if claim is None:
            return False
        self.faultpoints.reach("after_probe_claim")
        command = lane.load(claim.command_id)
        operation = next(item for item in lane.stored_operations(command.id) if item.seq == claim.operation_seq)
        trace = Trace(
            correlation_id=command.correlation_id, request_id=str(claim.request_id), traceparent=command.traceparent
        )
        try:
            result = self._asked(lane, command, operation, trace)
        except EhrUnavailableError as error:
            wait = error.retry_after or self.backoff.delay(command.attempts, self.random)
            lane.release_probe(claim, wait=min(wait, self.backoff.retry_after_cap), detail=error.reason)
            return False
        except NeedsPersonError as error:
            result = ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail=error.kind)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - an answer nobody can read must end with a person, not hold the lane
            log.error("probe failed", action="probe.failed", command=str(command.id), error=type(error).__name__)
            result = ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail=f"not understood: {type(error).__name__}")
        self.faultpoints.reach("after_probe_answer")
        return lane.settle(
            claim, settle_probe(result, progress_of(command, claim.operation_seq), said_taken=claim.said_taken)
        )

    def _asked(self, lane: HeldLane, command: Command, operation: Operation, trace: Trace) -> ProbeResult:
        """Ask the chart of the patient and, where their record was merged meanwhile, that of the record in its place."""
        ehr = self.ehrs(command.tenant, command.connection)
        result = ehr.probe(operation, trace)
        if result.verdict is not ProbeVerdict.NOT_APPLIED or operation.interaction is not Interaction.CREATE:
            return result
        patient = command.envelope.patient.reference
        trail = ehr.trail_of(patient, trace)
        if not trail.steps and trail.end in {TrailEnd.IN_USE, TrailEnd.UNREAD}:
            return result
        lane.learn(trail, command.id)
        if trail.survivor is None:
            return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail="the patient's record was merged or closed")
        moved = looked_for(operation, patient, trail.survivor)
        if moved is None:
            return ProbeResult(
                verdict=ProbeVerdict.CANNOT_TELL, detail="not to be looked for under the record in its place"
            )
        return ehr.probe(moved, trace)
