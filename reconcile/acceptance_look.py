"""One look for one write that the EHR's own staff must accept: is it in the chart now? It reads, and never sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog

from canonical.acceptance import Seen, Sighting, WaitingWrite, WaitingWrites, is_void, judge, next_look
from canonical.capabilities import is_shown
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.outcome import ProbeVerdict
from canonical.ports import ConnectionSettings, Ehr, Fetched, Interaction, Operation, Trace

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class AcceptanceLook:
    """Looks for waiting writes; ``ehrs`` gives the EHR of (tenant, connection), ``connections`` its settings. Thread-safe."""

    writes: WaitingWrites
    ehrs: Callable[[str, str], Ehr]
    connections: Mapping[tuple[str, str], ConnectionSettings]

    def run(self, command_id: UUID) -> Seen | None:
        """Look once, if it is due and nobody took it (else ``None``); raises ``StoreUnavailableError``."""
        write = self.writes.take(command_id)
        if write is None:
            return None
        ehr = self.ehrs(write.command.tenant, write.command.connection)
        try:
            sightings = [self._sighting(ehr, write, operation) for operation in write.operations]
        except EhrUnavailableError as error:
            self.writes.postpone(write, max(error.retry_after or next_look(write.age), next_look(write.age)))
            return Seen.NOT_YET
        return self._settle(write, sightings)

    def _settle(self, write: WaitingWrite, sightings: list[Sighting]) -> Seen | None:
        seen = judge(sightings)
        if seen is Seen.NOT_YET:
            self.writes.postpone(write, next_look(write.age))
            return seen
        moved = self.writes.become_visible(write, sightings) if seen is Seen.VISIBLE else self.writes.turn_down(write)
        if moved and seen is Seen.REFUSED:
            log.warning(
                "the EHR's staff turned a write down", action="acceptance.refused", command=str(write.command.id)
            )
        return seen if moved else None

    def _sighting(self, ehr: Ehr, write: WaitingWrite, operation: Operation) -> Sighting:
        """Return what is seen of one operation; raises :class:`EhrUnavailableError`: ask later."""
        nothing = Sighting(seq=operation.seq, seen=Seen.NOT_YET)
        if not self._may_be_shown(ehr, write, operation):
            return nothing
        command = write.command
        trace = Trace(
            correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent
        )
        try:
            return _look(ehr, operation, trace) or nothing
        except EhrUnavailableError:
            raise
        except NeedsPersonError:
            # It may be refused just because it waits: its time box brings a person.
            return nothing
        except Exception as error:
            # Whatever is wrong with it, it tells nothing about what the EHR's staff did.
            log.error("a look failed", action="acceptance.unreadable", command=str(command.id), exc_info=error)
            return nothing

    def _may_be_shown(self, ehr: Ehr, write: WaitingWrite, operation: Operation) -> bool:
        settings = self.connections.get((write.command.tenant, write.command.connection))
        declared = ehr.capabilities.writes.get((operation.resource_type, operation.interaction))
        return declared is None or is_shown(declared, settings.options if settings is not None else {})


def _look(ehr: Ehr, operation: Operation, trace: Trace) -> Sighting | None:
    """Look where the EHR said that it put it; only where it named no place, or ours can be told by its mark, search for it.

    What a change is about was in the chart before: it shows only where the entry says what was sent.
    """
    if operation.interaction is Interaction.CREATE and operation.reference is not None:
        found = ehr.fetch(operation.reference, trace)
        if found.resource is not None or found.gone:
            return _judged(ehr, operation, operation.reference, found)
        if not ehr.capabilities.finds_by_mark:
            return None
    result = ehr.probe(operation, trace)
    if result.verdict is not ProbeVerdict.APPLIED or result.reference is None:
        return None
    return _judged(ehr, operation, result.reference, ehr.fetch(result.reference, trace))


def _judged(ehr: Ehr, operation: Operation, reference: str, found: Fetched) -> Sighting | None:
    if found.gone:
        return Sighting(seq=operation.seq, seen=Seen.REFUSED, reference=reference)
    if found.resource is None:
        return None
    is_new = operation.interaction is Interaction.CREATE
    seen = Seen.REFUSED if is_new and is_void(found.resource, ehr.said(operation)) else Seen.VISIBLE
    return Sighting(seq=operation.seq, seen=seen, reference=reference, version=found.version)
