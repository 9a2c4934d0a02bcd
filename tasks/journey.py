"""The journey of a command's requests: claim, the wire, settle. Exactly one request leaves for one committed claim.

Of a compound, the settle of one operation is the claim of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import structlog

from canonical.boot_clock import boot_seconds
from canonical.command import Command
from canonical.compound import Plan, Progress
from canonical.lanes import Claim, Continuation, HeldLane, Settle
from canonical.lifecycle import Trigger
from canonical.outcome import Outcome, Settlement
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

    def make(
        self, lane: HeldLane, command: Command, plan: Plan, *, merged: Callable[[HeldLane, Command], object]
    ) -> bool:
        """Make the journey; ``False``: the lane refused the claim or took it away, leave it to a later turn.

        ``merged`` is told, once that is stored, where the EHR refused it because the patient's record was merged.
        Raises ``StoreUnavailableError`` when it is unknown whether the claim or the outcome was stored: the lane's next
        holder finds the command ``sending`` and, after its lease, probes.
        """
        begun, operation = self.now(), plan.next
        claim = lane.claim(command, operation, plan.operations[1:])
        if claim is None:
            return False
        self.faultpoints.reach("after_claim")
        while True:
            settlement = self._send(command, claim, operation, begun)
            if settlement is None:
                # The gate's verdict is too old to act on: consent may have ended while we were paused.
                return lane.settle(claim, settle_not_sent("held-back-too-long"))
            self.faultpoints.reach("after_answer")
            outcome = self._outcome(lane, command, settlement, plan.progress)
            if outcome.move.trigger is not Trigger.CONTINUED or settlement.reference is None:
                settled = self._settle(lane, command, claim, outcome)
                if settled and settlement.outcome is Outcome.MERGED:
                    merged(lane, command)
                return settled
            plan = plan.after(settlement.reference, proven=settlement.differences == (), version=settlement.version)
            begun, operation = self.now(), plan.next
            following = lane.carry_on(claim, outcome, operation)
            if isinstance(following, Continuation):
                return self._not_continued(lane, command, claim, settlement, following)
            claim = following
            self.faultpoints.reach("after_carry_on")

    def _send(self, command: Command, claim: Claim, operation: Operation, begun: float) -> Settlement | None:
        """Send it; ``None``: too much time has passed since ``begun``, nothing was sent."""
        ehr = self.ehrs(command.tenant, command.connection)
        if self.now() - begun > ehr.timings.leave_within.total_seconds():
            return None
        self.faultpoints.reach("before_send")
        return ehr.send(operation, self._trace(command, claim))

    def _outcome(self, lane: HeldLane, command: Command, settlement: Settlement, progress: Progress) -> Settle:
        circumstances = Circumstances(
            now=lane.now(),
            failures=lane.view.failures,
            backoff=self.backoff,
            random=self.random,
            progress=progress,
        )
        return settle_answer(command, settlement, circumstances)

    def _settle(self, lane: HeldLane, command: Command, claim: Claim, outcome: Settle) -> bool:
        if not lane.settle(claim, outcome):
            return self._late(lane, command, claim, outcome.settlement)
        self.faultpoints.reach("after_settle")
        return True

    def _not_continued(
        self, lane: HeldLane, command: Command, claim: Claim, settlement: Settlement, why: Continuation
    ) -> bool:
        if why is Continuation.LOST:
            return self._late(lane, command, claim, settlement)
        self.faultpoints.reach("after_settle")
        return True

    @staticmethod
    def _late(lane: HeldLane, command: Command, claim: Claim, settlement: Settlement) -> bool:
        """Keep an answer after our lease ended and somebody took over: it is evidence, and no longer ours to act on."""
        log.warning("late answer", action="attempt.late", command=str(command.id), outcome=settlement.outcome.value)
        lane.record_late(claim, settlement)
        return False

    @staticmethod
    def _trace(command: Command, claim: Claim) -> Trace:
        return Trace(
            correlation_id=command.correlation_id, request_id=str(claim.request_id), traceparent=command.traceparent
        )
