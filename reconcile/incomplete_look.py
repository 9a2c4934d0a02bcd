"""One look for one command of which a part is in the chart: does that part stand, and is the rest not there? It never sends.

Only what was proven so is made ready, and the ordinary path sends the rest; everything else is left to a person, with why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from enum import Enum, auto
from uuid import UUID

import structlog

from canonical.command import OperationProgress
from canonical.compound import plan_of_rest, with_references
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.incomplete import IncompleteWrite, IncompleteWrites, Leaving, Left, RestPlan, left_unread
from canonical.outcome import ProbeVerdict
from canonical.ports import Ehr, Operation, Trace
from canonical.remote_change import sentence

log = structlog.get_logger()

_PROBED = {ProbeVerdict.APPLIED: Left.FOUND, ProbeVerdict.CANNOT_TELL: Left.CANNOT_TELL}


class Looked(Enum):
    """What one look led to."""

    #: The rest is due.
    SENT_ON = auto()
    #: A person decides.
    LEFT = auto()
    #: It is looked at again later.
    LATER = auto()


@dataclass(frozen=True, kw_only=True)
class IncompleteLook:
    """Looks at incomplete commands; ``ehrs`` gives the EHR of (tenant, connection). Thread-safe."""

    writes: IncompleteWrites
    ehrs: Callable[[str, str], Ehr]
    plan: RestPlan

    def run(self, command_id: UUID) -> Looked | None:
        """Look once, if it is due and nobody took it (else ``None``); raises ``StoreUnavailableError``."""
        write = self.writes.take(command_id, lease=self.plan.lease)
        if write is None:
            return None
        leaving = left_unread(write, self.plan)
        if leaving is not None:
            return self._leave(write, leaving)
        ehr = self.ehrs(write.command.tenant, write.command.connection)
        wait = max(self.plan.wait(write.tries) or self.plan.away, ehr.timings.quarantine) - write.age
        if wait.total_seconds() > 0:
            self.writes.postpone(write, wait)
            return Looked.LATER
        return self._look(ehr, write)

    def _look(self, ehr: Ehr, write: IncompleteWrite) -> Looked | None:
        try:
            leaving = _Glance(ehr=ehr, write=write).leaving()
        except EhrUnavailableError as error:
            return self._away(write, error)
        if leaving is not None:
            return self._leave(write, leaving)
        if not self.writes.send_rest(write):
            return None
        log.info("the rest is sent", action="incomplete.sent_on", command=str(write.command.id), tries=write.tries + 1)
        return Looked.SENT_ON

    def _away(self, write: IncompleteWrite, error: EhrUnavailableError) -> Looked | None:
        if write.age >= self.plan.away_at_most:
            return self._leave(write, Leaving(why=Left.UNREADABLE))
        self.writes.postpone(write, max(error.retry_after or self.plan.away, self.plan.away))
        return Looked.LATER

    def _leave(self, write: IncompleteWrite, leaving: Leaving) -> Looked | None:
        if not self.writes.leave(write, leaving):
            return None
        log.info("a person decides", action="incomplete.left", command=str(write.command.id), why=leaving.why.value)
        return Looked.LEFT


@dataclass(frozen=True, kw_only=True)
class _Glance:
    """What one look needs."""

    ehr: Ehr
    write: IncompleteWrite

    def leaving(self) -> Leaving | None:
        """Return why a machine may not send the rest, ``None``: it may; raises :class:`EhrUnavailableError`: ask later."""
        try:
            return self._stands() or self._is_there()
        except EhrUnavailableError:
            raise
        except NeedsPersonError:
            return Leaving(why=Left.UNREADABLE)
        except Exception as error:
            # Whatever is wrong with it, it proves nothing of what stands: a machine must not go on.
            log.error(
                "a look failed", action="incomplete.unreadable", command=str(self.write.command.id), exc_info=error
            )
            return Leaving(why=Left.UNREADABLE)

    def _stands(self) -> Leaving | None:
        """Return what is wrong with the first operation in the chart that is not as it was written.

        A Provenance of the rest is about these and no others, so that what it names is read here.
        """
        last = {item.reference: item for item in self.write.command.operations if item.in_chart}
        found = (self._is_as_written(item) for item in last.values())
        return next((item for item in found if item is not None), None)

    def _is_as_written(self, done: OperationProgress) -> Leaving | None:
        if done.reference is None:
            return Leaving(why=Left.CANNOT_TELL)
        current = self.ehr.fetch(done.reference, self._trace)
        if current.resource is None:
            return Leaving(why=Left.DISAPPEARED, who=self._who(done))
        (operation,) = (item for item in self.write.operations if item.seq == done.seq)
        moved = done.version is not None and current.version != done.version
        if moved or self.ehr.differences(operation, current.resource):
            return Leaving(why=Left.CHANGED, who=self._who(done))
        return None

    def _who(self, done: OperationProgress) -> str:
        """Return in a sentence who changed it, as far as the EHR tells; times in UTC."""
        own = [item.version for item in self.write.command.operations if item.version is not None]
        reference = done.reference or ""
        change = self.ehr.changes(reference, done.version, self.write.since, self._trace, own_versions=own)
        return sentence(change, seen_at=None, zone=UTC)

    def _is_there(self) -> Leaving | None:
        """Probe every operation of the rest that ever left: nothing of it may be in the chart."""
        for operation in self._rest:
            if operation.seq in self.write.left_planned:
                continue
            why = _PROBED.get(self.ehr.probe(operation, self._trace).verdict)
            if why is not None:
                return Leaving(why=why)
        return None

    @property
    def _rest(self) -> tuple[Operation, ...]:
        plan = plan_of_rest(self.write.command, self.write.operations)
        return tuple(with_references(operation, plan.written) for operation in plan.operations)

    @property
    def _trace(self) -> Trace:
        command = self.write.command
        return Trace(correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent)
