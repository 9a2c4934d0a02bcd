"""How each part of a command stands in the chart, read just now, and how each could be undone. It only reads.

What stands is read by its reference and compared in content and version; what failed is probed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from canonical import exact_json
from canonical.case_store import StoredCase
from canonical.command import Command, OperationProgress
from canonical.compensation_catalogue import WayBack, ways_to_undo
from canonical.compound import plan_of_rest, with_references
from canonical.envelope import Envelope
from canonical.outcome import ProbeVerdict
from canonical.parts import IN_PARTS, RECORDED, STANDS, Standing, part_of
from canonical.ports import Ehr, Operation, Resource, Trace
from canonical.remote_change import sentence

#: Why a command stopped, where the EHR's own staff have what came last: nobody can say that it will not come.
_WITH_STAFF = "accepted-for-review"
_PROBED = {ProbeVerdict.NOT_APPLIED: Standing.NOT_THERE}
_IN_ERROR = "entered-in-error"


@dataclass(frozen=True, kw_only=True)
class PartStanding:
    """One operation of a command, as it stands.

    ``envelope`` is the command that it would be alone (``None``: it only goes along with another); ``done`` how far it is by
    our record; ``version`` what the chart has now, ``who`` a sentence on who changed it since; ``said`` what the entry says now
    in canonical words; ``before`` what it said before we changed it, by field as R4 JSON (``None``: not known, or it was new);
    ``wrote`` what we wrote, in the same form; ``ways`` how it could be undone at this EHR, the farthest first.
    """

    operation: Operation
    done: OperationProgress
    envelope: Envelope | None
    standing: Standing
    version: str | None = None
    who: str = ""
    said: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None
    wrote: Mapping[str, Any]
    ways: tuple[WayBack, ...] = ()

    @property
    def seq(self) -> int:
        """Its place in the order of writing, from 1."""
        return self.operation.seq

    @property
    def stands(self) -> bool:
        """Whether it is in the chart, by what was read."""
        return self.standing in STANDS

    @property
    def digest(self) -> list[str | int | None]:
        """What tells this standing from another one: if any of it is different, its reader decides anew."""
        said = exact_json.canonical_bytes(self.said) if self.said is not None else b""
        return [self.seq, self.standing.value, self.version, hashlib.sha256(said).hexdigest()]


@dataclass(frozen=True, kw_only=True)
class PartsLook:
    """Looks at the parts of one command; ``is_readable``: whether the EHR is asked at all."""

    command: Command
    operations: Sequence[Operation]
    case: StoredCase
    ehr: Ehr
    is_readable: bool = True

    def parts(self) -> tuple[PartStanding, ...]:
        """Return every part in the order of writing; none for a command that has none to tell apart.

        Raises as :meth:`canonical.ports.Ehr.fetch`.
        """
        if self.case.state not in IN_PARTS or not self.command.operations:
            return ()
        return tuple(self._parts())

    def _parts(self) -> Iterator[PartStanding]:
        progress = {item.seq: item for item in self.command.operations}
        for operation in self.operations:
            done = progress[operation.seq]
            if done.in_chart:
                yield self._written(operation, done)
            else:
                yield self._part(operation, done, RECORDED.get(done.state) or self._failed(operation))

    def _part(self, operation: Operation, done: OperationProgress, standing: Standing, **more: Any) -> PartStanding:
        envelope = part_of(self.command, operation)
        action = envelope.action if envelope is not None else None
        return PartStanding(
            operation=operation,
            done=done,
            envelope=envelope,
            standing=standing,
            wrote=self._known(self.ehr.said(operation)),
            ways=ways_to_undo(self.ehr.capabilities, action.type, action.operation) if action is not None else (),
            **more,
        )

    def _written(self, operation: Operation, done: OperationProgress) -> PartStanding:
        if not self.is_readable:
            return self._part(operation, done, Standing.NOT_READ)
        if done.reference is None:
            return self._part(operation, done, Standing.MAYBE_THERE)
        current = self.ehr.fetch(done.reference, self._trace)
        if current.resource is None:
            return self._part(operation, done, Standing.GONE)
        said = self.ehr.project(current.resource)
        moved = done.version is not None and current.version != done.version
        if moved or self.ehr.differences(operation, current.resource):
            is_error = _IN_ERROR in (said.get("status"), said.get("verificationStatus"))
            standing = Standing.IN_ERROR if is_error else Standing.CHANGED
            who = self._who(done)
            return self._part(operation, done, standing, version=current.version, said=said, who=who)
        before = self._before(operation)
        return self._part(operation, done, Standing.AS_WRITTEN, version=current.version, said=said, before=before)

    def _failed(self, operation: Operation) -> Standing:
        if not self.is_readable:
            return Standing.MAYBE_THERE
        if self.case.state_reason == _WITH_STAFF:
            return Standing.MAYBE_THERE
        written = plan_of_rest(self.command, self.operations).written
        verdict = self.ehr.probe(with_references(operation, written), self._trace).verdict
        return _PROBED.get(verdict, Standing.MAYBE_THERE)

    def _before(self, operation: Operation) -> Mapping[str, Any] | None:
        """Return what the entry said before we changed it, where the EHR shows the version that we changed."""
        if operation.reference is None or operation.if_match is None:
            return None
        found = self.ehr.fetch_version(operation.reference, operation.if_match, self._trace)
        return self._known(found.resource) if found is not None and found.resource is not None else None

    def _known(self, resource: Resource) -> Mapping[str, Any]:
        """Return what a resource says by field; what is no field of ours, such as our mark, nobody saw."""
        known = self.ehr.project(resource)
        return {name: value for name, value in self.ehr.fields(resource).items() if name in known}

    def _who(self, done: OperationProgress) -> str:
        own = [item.version for item in self.command.operations if item.version is not None]
        change = self.ehr.changes(done.reference or "", done.version, None, self._trace, own_versions=own)
        return sentence(change, seen_at=None, zone=UTC)

    @property
    def _trace(self) -> Trace:
        return Trace(correlation_id=self.command.correlation_id, request_id=f"case-{self.case.id}")
