"""One look at one settled write: is what was proven still there, and if not, who says that they changed it? It never writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from canonical.drift import DriftBook, Finding, Settled, Sight, WatchedOperation, WatchedWrite
from canonical.drift_digest import sight_digest
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.ports import Ehr, Fetched, Interaction, Operation, Resource, Trace
from reconcile.change_trail import ChangeTrail

log = structlog.get_logger()

#: How far the EHR's clock may be from ours: what it says of a time before that may be from before we last looked.
MOST_SKEW = timedelta(minutes=5)
#: Where R4 resources name their patient.
_PATIENT = ("subject", "patient", "for")


@dataclass(frozen=True, kw_only=True)
class DriftLook:
    """Looks at settled writes; ``ehrs`` gives the EHR of (tenant, connection). Thread-safe."""

    book: DriftBook
    ehrs: Callable[[str, str], Ehr]

    def run(self, command_id: UUID) -> Settled | None:
        """Look once at a write that was handed out; ``None``: it was not, or not now. Raises ``StoreUnavailableError``."""
        write = self.book.take(command_id)
        if write is None:
            return None
        if write.under_way:
            self.book.postpone(write)
            return None
        ehr = self.ehrs(write.command.tenant, write.command.connection)
        try:
            sights = [_Glance(ehr=ehr, write=write, watched=item).sight() for item in write.operations]
        except EhrUnavailableError:
            self.book.postpone(write)
            return None
        settled = self.book.settle(write, sights)
        self._tell(write, sights, settled)
        return settled

    @staticmethod
    def _tell(write: WatchedWrite, sights: list[Sight], settled: Settled) -> None:
        if settled in {Settled.CASE, Settled.INCIDENT}:
            found = sorted({sight.finding.value for sight in sights})
            log.warning(
                "the chart no longer says what was written",
                action="drift.found",
                command=str(write.command.id),
                connection=write.command.connection,
                found=found,
                settled=settled.value,
            )


@dataclass(frozen=True, kw_only=True)
class _Glance:
    """What one look needs of one operation."""

    ehr: Ehr
    write: WatchedWrite
    watched: WatchedOperation

    def sight(self) -> Sight:
        """Return what the chart says of it; raises :class:`EhrUnavailableError`: later."""
        try:
            return self._sight()
        except EhrUnavailableError:
            raise
        except NeedsPersonError as error:
            return self._found(Finding.MERGED if error.kind == "merged_patient" else Finding.UNREADABLE)
        except Exception as error:
            # Whatever is wrong with it, it is no proof that anything drifted, nor that nothing did.
            log.error("a look failed", action="drift.unreadable", command=str(self.write.command.id), exc_info=error)
            return self._found(Finding.UNREADABLE)

    def _sight(self) -> Sight:
        current = self.ehr.fetch(self.watched.reference, self._trace)
        if current.resource is None:
            return self._found(self._why_gone())
        fields = self._unexplained(current.resource)
        digest = sight_digest(self.ehr, self.watched.operation, current.resource)
        finding = self._judged(current, current.resource, fields, digest)
        return self._found(finding, fields=fields, version=current.version, digest=digest)

    def _judged(self, current: Fetched, resource: Resource, fields: tuple[str, ...], digest: bytes) -> Finding:
        baseline = self.watched.baseline
        if not fields:
            known = current.version is None or current.version in self._known_versions
            return Finding.STANDS if known else Finding.NORMALISED
        if baseline is not None and baseline.digest == digest:
            return Finding.STANDS
        if self._is_moved(resource):
            return Finding.MERGED
        if self._trail.is_answered_for():
            return Finding.EDITED
        # Where the EHR names nobody, that nobody is named tells nothing.
        return Finding.CHANGED if self.ehr.capabilities.attribution.names_authors else Finding.NAMELESS

    def _why_gone(self) -> Finding:
        if self._survivor is not None:
            return Finding.MERGED
        return Finding.REMOVED if self._trail.is_removal_answered_for() else Finding.DISAPPEARED

    def _is_moved(self, resource: Resource) -> bool:
        """Return whether the entry is another patient's now, into whose record this patient's was merged."""
        stated = (resource.get(name) for name in _PATIENT)
        names = [str(item.get("reference") or "") for item in stated if isinstance(item, dict)]
        if not names or any(name.endswith(self._patient) for name in names):
            return False
        survivor = self._survivor
        return survivor is not None and any(name.endswith(survivor) for name in names)

    def _unexplained(self, resource: Resource) -> tuple[str, ...]:
        """Return the fields that differ from what we wrote, but for those that we wrote again: those are looked at there."""
        fields = self.ehr.differences(self.watched.operation, resource)
        if any(later.interaction is not Interaction.PATCH for later in self.watched.later):
            return ()
        again = {name for later in self.watched.later for name in self._states(later)}
        return tuple(name for name in fields if name not in again)

    def _states(self, operation: Operation) -> set[str]:
        said = self.ehr.said(operation)
        return {*said, *self.ehr.project(said)}

    @property
    def _trail(self) -> ChangeTrail:
        baseline = self.watched.baseline
        known = baseline.version if baseline is not None and baseline.version is not None else self.watched.version
        return ChangeTrail(
            ehr=self.ehr,
            reference=self.watched.reference,
            version=known,
            seen_at=self.write.seen_at + MOST_SKEW,
            own_versions=self._known_versions,
            says=self._says,
            trace=self._trace,
        )

    def _says(self, version: str) -> bytes | None:
        read = self.ehr.fetch_version(self.watched.reference, version, self._trace)
        if read is None or read.resource is None:
            return None
        return sight_digest(self.ehr, self.watched.operation, read.resource)

    @property
    def _known_versions(self) -> frozenset[str]:
        baseline = self.watched.baseline.version if self.watched.baseline is not None else None
        stated = {version for version in (self.watched.version, baseline) if version is not None}
        return self.watched.own_versions | stated

    @property
    def _patient(self) -> str:
        return self.write.command.envelope.patient.reference

    @property
    def _survivor(self) -> str | None:
        trail = self.ehr.trail_of(self._patient, self._trace)
        return trail.last if trail.steps else None

    @property
    def _trace(self) -> Trace:
        command = self.write.command
        return Trace(correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent)

    def _found(
        self,
        finding: Finding,
        *,
        fields: tuple[str, ...] = (),
        version: str | None = None,
        digest: bytes | None = None,
    ) -> Sight:
        operation = self.watched.operation
        return Sight(
            seq=operation.seq,
            finding=finding,
            is_primary=operation.is_primary,
            fields=fields,
            version=version,
            digest=digest,
        )
