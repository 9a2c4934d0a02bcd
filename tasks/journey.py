"""The journey of one request: claim, the wire, settle. Exactly one request leaves for one committed claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import structlog

from canonical.boot_clock import boot_seconds
from canonical.command import Command
from canonical.lanes import Claim, HeldLane
from canonical.outcome import Settlement
from canonical.ports import Ehr, Operation, Trace
from canonical.retry import Backoff
from canonical.settling import Circumstances, settle_answer, settle_not_sent
from tasks.faultpoints import Faultpoints

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Journey:
    """Claims, sends once, and settles; ``ehrs`` gives the EHR of (tenant, connection)."""

    ehrs: Callable[[str, str], Ehr]
    faultpoints: Faultpoints = field(default_factory=Faultpoints)
    backoff: Backoff = field(default_factory=Backoff)
    random: Random = field(default_factory=Random)
    now: Callable[[], float] = boot_seconds

    def make(self, lane: HeldLane, command: Command, operation: Operation) -> bool:
        """Make the journey; ``False``: the lane refused the claim or took it away, leave it to a later turn.

        Raises ``StoreUnavailableError`` when it is unknown whether the claim or the outcome was stored: the lane's next
        holder finds the command ``sending`` and, after its lease, probes.
        """
        ehr = self.ehrs(command.tenant, command.connection)
        begun = self.now()
        claim = lane.claim(command, operation)
        if claim is None:
            return False
        self.faultpoints.reach("after_claim")
        if self.now() - begun > ehr.timings.leave_within.total_seconds():
            # The gate's verdict is too old to act on: consent may have ended while we were paused.
            return lane.settle(claim, settle_not_sent("held-back-too-long"))
        self.faultpoints.reach("before_send")
        settlement = ehr.send(operation, self._trace(command, claim))
        self.faultpoints.reach("after_answer")
        return self._settle(lane, command, claim, settlement)

    def _settle(self, lane: HeldLane, command: Command, claim: Claim, settlement: Settlement) -> bool:
        circumstances = Circumstances(
            now=lane.now(), failures=lane.view.failures, backoff=self.backoff, random=self.random
        )
        if lane.settle(claim, settle_answer(command, settlement, circumstances)):
            self.faultpoints.reach("after_settle")
            return True
        # Our lease ended and somebody took over: this answer is evidence, and no longer ours to act on.
        log.warning("late answer", action="attempt.late", command=str(command.id), outcome=settlement.outcome.value)
        lane.record_late(claim, settlement)
        return False

    @staticmethod
    def _trace(command: Command, claim: Claim) -> Trace:
        return Trace(
            correlation_id=command.correlation_id, request_id=str(claim.request_id), traceparent=command.traceparent
        )
