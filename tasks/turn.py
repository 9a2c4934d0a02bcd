"""One turn of one lane: hold it, look, and do what is due, a bounded number of times. The only sender of writes.

A Celery reader will look for ``countdown``, ``eta`` or ``self.retry``: there is none. When something is due is a column of
the database (``commands.due_at``), since a delayed message can be lost, doubled, or run past its lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from random import Random

import structlog

from canonical.case_kinds import CausePart
from canonical.command import Command
from canonical.compound import Plan, digest_of
from canonical.errors import (
    EhrUnavailableError,
    InvalidPayloadError,
    NeedsPersonError,
    TargetMovedError,
    UnsupportedActionError,
)
from canonical.events import move
from canonical.gate import may_send
from canonical.lanes import HeldLane, Lanes
from canonical.lifecycle import State, Trigger
from canonical.ports import Operation, Trace
from canonical.retry import Backoff
from tasks.faultpoints import Faultpoints
from tasks.journey import Journey
from tasks.merges import Merges
from tasks.preparation import Preparation
from tasks.probing import Probing

log = structlog.get_logger()

#: Sweeps that find a lane due and idle this often in a row suspect that its command kills the worker.
SUSPICIOUS_STUMBLES = 3


#: A gate's denial that leaves something to decide → the case.
_CASES = {Trigger.PARTLY_APPLIED: "incomplete", Trigger.APPROVAL_LAPSED: "awaiting_approval"}


class Step(Enum):
    """What one look at a lane led to."""

    #: Something moved: look again.
    MOVED = auto()
    #: Nothing to do now.
    IDLE = auto()
    #: The lane said no (cap, lost claim): leave it to a later turn.
    BLOCKED = auto()


@dataclass(frozen=True, kw_only=True)
class TurnReport:
    """What a turn did: ``locked`` says that somebody else holds the lane; ``more`` that it stopped at its cap.

    ``applied`` are commands whose proof is due, ``moved`` counts steps.
    """

    lane_id: int
    locked: bool = False
    moved: int = 0
    more: bool = False
    applied: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LaneTurn:
    """Moves the commands of one lane along.

    ``most`` commands or ``longest`` seconds a turn, so that a busy lane cannot keep a worker for itself.
    """

    lanes: Lanes
    preparation: Preparation
    journey: Journey
    probing: Probing
    faultpoints: Faultpoints = field(default_factory=Faultpoints)
    backoff: Backoff = field(default_factory=Backoff)
    random: Random = field(default_factory=Random)
    monotonic: Callable[[], float] = time.monotonic
    most: int = 20
    longest: float = 60.0

    def run(self, lane_id: int) -> TurnReport:
        """Hold lane ``lane_id`` and do what is due in it; raises ``StoreUnavailableError`` when PostgreSQL is gone."""
        with self.lanes.hold(lane_id) as lane:
            if lane is None:
                return TurnReport(lane_id=lane_id, locked=True)
            self.faultpoints.reach("after_lock")
            return self._work(lane)

    def _work(self, lane: HeldLane) -> TurnReport:
        started, moved, applied = self.monotonic(), 0, []
        while (step := self._step(lane)) is Step.MOVED:
            moved += 1
            before = lane.view.next
            lane.look_again()
            if before is not None:
                applied.append(str(before.id))
            if moved >= self.most or self.monotonic() - started > self.longest:
                break
        return TurnReport(
            lane_id=lane.view.lane_id, moved=moved, more=step is Step.MOVED, applied=tuple(dict.fromkeys(applied))
        )

    def _step(self, lane: HeldLane) -> Step:
        view = lane.view
        if not view.lease_free:
            return Step.IDLE
        if view.merge_look_due:
            self._merges.look_again(lane)
            return Step.MOVED
        if view.in_flight_state is State.SENDING:
            return Step.MOVED if lane.expire() else Step.BLOCKED
        if view.joining:
            return Step.MOVED if lane.join() else Step.IDLE
        if view.in_flight_state is State.UNKNOWN:
            ready = view.quarantine_over and view.connection_open
            return Step.MOVED if ready and self.probing.probe(lane) else Step.IDLE
        if view.next is None or not view.connection_open:
            return Step.IDLE
        return self._advance(lane, view.next)

    def _advance(self, lane: HeldLane, command: Command) -> Step:
        """Make the one move that is due for the lane's next command."""
        if lane.view.predecessor_ended:
            return self._review(lane, command, "predecessor_ended")
        if lane.view.taken_late:
            return self._review(lane, command, "possible_duplicate")
        denial = may_send(command, lane.view.now)
        if denial is not None:
            if denial.trigger is None:
                return Step.IDLE
            lane.move(command, move(command.state, denial.trigger, denial.reason), case=_CASES.get(denial.trigger))
            return Step.MOVED
        if lane.view.stumbles >= SUSPICIOUS_STUMBLES and lane.count_stumble(command) > SUSPICIOUS_STUMBLES:
            return self._review(lane, command, "poison")
        if command.spent >= command.spec.retry_budget:
            return self._review(lane, command, "attempts_exhausted")
        return self._send(lane, command)

    def _send(self, lane: HeldLane, command: Command) -> Step:
        try:
            plan = self._prepare(lane, command)
        except EhrUnavailableError as error:
            return self._could_not_read(lane, command, error)
        except TargetMovedError:
            return self._stop(lane, command, Trigger.TARGET_MOVED, case="conflict")
        except NeedsPersonError as error:
            return self._review(lane, command, error.kind, self._cause(lane, command, error))
        except UnsupportedActionError:
            return self._review(lane, command, "not_supported", self._mapping(command))
        except InvalidPayloadError:
            return self._review(lane, command, "invalid_payload", self._mapping(command))
        if not _is_as_decided(command, plan):
            return self._decide_anew(lane, command)
        if command.known_merged is not command.is_remapped:
            # The map says otherwise: it was parted again, or a person knew of the merge before we did, or we remember too much.
            line = self._merges.learn(lane, command)
            if line is not None and not command.is_remapped:
                return self._review(lane, command, "merged_patient", {CausePart.MERGE: str(line)})
            if line is None and command.is_remapped:
                return Step.BLOCKED
        if not command.attempts:
            command = command.evolve(sent_as=plan.next.sent_as)
        made = self.journey.make(lane, command, plan, merged=self._merges.learn)
        return Step.MOVED if made else Step.BLOCKED

    def _cause(self, lane: HeldLane, command: Command, error: NeedsPersonError) -> Mapping[CausePart, str]:
        if error.kind != "merged_patient":
            return {CausePart.CODE: error.code}
        line = self._merges.learn(lane, command)
        return {} if line is None else {CausePart.MERGE: str(line)}

    @property
    def _merges(self) -> Merges:
        return Merges(ehrs=self.preparation.ehrs, patients=self.preparation.patients)

    def _could_not_read(self, lane: HeldLane, command: Command, error: EhrUnavailableError) -> Step:
        """Tell a patient whom the EHR cannot read from an EHR that is away: the one must not close it for all others.

        The first failure after a success is held against the command; the next one closes the connection and costs no
        command anything. What the EHR says of itself (throttled, auth, when to come back) closes it at once.
        """
        of_the_command = error.reason == "outage" and error.retry_after is None
        if of_the_command and lane.postpone(command, wait=self.backoff.delay(command.spent + 1, self.random)):
            log.info("could not be read; put off", action="command.postponed", command=str(command.id))
            last = command.spent + 1 >= command.spec.retry_budget
            return self._review(lane, command, "not_readable", {CausePart.CODE: error.reason}) if last else Step.BLOCKED
        wait = error.retry_after or self.backoff.delay(lane.view.failures + 1, self.random)
        lane.close_connection(until=lane.now() + min(wait, self.backoff.retry_after_cap), reason=error.reason)
        return Step.BLOCKED

    def _prepare(self, lane: HeldLane, command: Command) -> Plan:
        trace = Trace(
            correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent
        )
        plan = self.preparation.prepare(command, _stored(lane, command), trace)
        self.faultpoints.reach("after_plan")
        return plan

    def _decide_anew(self, lane: HeldLane, command: Command) -> Step:
        """Send nothing: what would leave is not what a person decided, since mapping or chart is another one by now."""
        if not command.governance.approval_required:
            return self._stop(lane, command, Trigger.TARGET_MOVED, case="conflict")
        lane.move(command, move(State.READY, Trigger.APPROVAL_LAPSED, "approval-lapsed"), case="awaiting_approval")
        return Step.MOVED

    def _mapping(self, command: Command) -> Mapping[CausePart, str]:
        return {CausePart.MAPPING: self.preparation.ehr_of(command).mapping_version}

    def _review(
        self, lane: HeldLane, command: Command, kind: str, known: Mapping[CausePart, str] | None = None
    ) -> Step:
        return self._stop(lane, command, Trigger.REVIEW_REQUIRED, case=kind, known=known)

    @staticmethod
    def _stop(
        lane: HeldLane,
        command: Command,
        trigger: Trigger,
        *,
        case: str,
        known: Mapping[CausePart, str] | None = None,
    ) -> Step:
        """Leave it to a person; with a part of it in the chart already, as incomplete."""
        why = Trigger.PARTLY_APPLIED if command.partly_in_chart else trigger
        lane.move(command, move(State.READY, why, "" if why is Trigger.TARGET_MOVED else case), case=case, known=known)
        log.info("review", action="command.review", command=str(command.id), kind=case)
        return Step.MOVED


def _stored(lane: HeldLane, command: Command) -> list[Operation]:
    """Return what was journaled for it, or for the command in whose place it is sent; empty: it is planned now."""
    if command.is_replanned:
        return []
    if command.attempts:
        return lane.stored_operations(command.id)
    if command.sends_stored_of is None:
        return []
    sent_as = lane.load(command.sends_stored_of).sent_as
    return [replace(item, sent_as=sent_as) for item in lane.stored_operations(command.sends_stored_of)]


def _is_as_decided(command: Command, plan: Plan) -> bool:
    """Whether what would leave is what a person decided, byte for byte; what was journaled since was compared then."""
    decided = command.governance.approval_payload
    return decided is None or not command.is_replanned or digest_of(plan.operations) == decided
