"""One look at the chart for a case: what stands there now, what is proposed, and how the two differ. It only reads.

A look is taken when a case is opened and again when it is decided; two looks of one digest showed the same chart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from canonical import exact_json
from canonical.case_kinds import case_kind
from canonical.case_store import CaseStore, StoredCase
from canonical.chart_words import field_brief, field_text
from canonical.command import Command
from canonical.compensation_catalogue import WayBack, ways_to_undo
from canonical.compound import digest_of
from canonical.drift_digest import sight_digest
from canonical.envelope import parse_envelope
from canonical.errors import (
    EhrUnavailableError,
    InvalidPayloadError,
    NeedsPersonError,
    TargetMovedError,
    UnsupportedActionError,
    WritebackError,
)
from canonical.parts import IN_PARTS
from canonical.ports import Ehr, Fetched, Operation, Resource, Trace
from canonical.review_desk import ReviewError
from canonical.three_way import Comparison, FieldState, compare
from reconcile.review.merged import Successor, successor_of
from reconcile.review.standing import PartsLook, PartStanding
from tasks.beside import reference_of
from tasks.preparation import Preparation

#: The kind of case, and of stop, of a patient whose record was merged.
MERGED = "merged_patient"
_STOPS: Mapping[type[WritebackError], str] = {
    TargetMovedError: "conflict",
    UnsupportedActionError: "not_supported",
    InvalidPayloadError: "invalid_payload",
}


@dataclass(frozen=True, kw_only=True)
class Stop:
    """What speaks against sending: its ``kind``, a ``sentence``, and the digest of the entries that it is about, if any."""

    kind: str
    sentence: str
    rests_on: str = ""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was seen, what stands there and what is proposed, by canonical field, as R4 JSON with its words and displays."""

    seen: Mapping[str, Any]
    chart: Mapping[str, Any]
    proposed: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found. ``read_at`` is UTC.

    ``reference``, ``version`` and ``current`` are the entry of the chart that it is about (its target; what a create resembles;
    what was written); ``said`` and ``proposed`` what that entry says and would say, in canonical words; ``base`` what the author
    saw, ``None`` where they named nothing. ``written`` are the same three as they are written, for words: never to compare.
    ``operations`` are what would be sent, if all of the proposal were kept;
    ``stop`` is (kind, sentence) of what speaks against sending, and ``rests_on`` the digest of the entries beside that this is
    about, if it is about any. ``sight`` is the digest of what the
    chart says beside what was written (:mod:`canonical.drift_digest`), ``differing`` the fields of it. ``is_readable``: the
    EHR answered. ``takes_provenance``: the connection asks for it, and its EHR takes one. ``ways_back``: how what the command
    does could be undone there, the farthest first. ``successor``: of a merged patient, the record in its place. ``parts`` are
    those of a command that is in the chart only in part.
    """

    command: Command
    read_at: datetime
    is_readable: bool = True
    reference: str | None = None
    version: str | None = None
    current: Resource | None = None
    base: Mapping[str, Any] | None = None
    said: Mapping[str, Any]
    proposed: Mapping[str, Any]
    comparison: Comparison
    written: Written
    operations: tuple[Operation, ...] = ()
    sight: bytes | None = None
    differing: tuple[str, ...] = ()
    stop: tuple[str, str] | None = None
    rests_on: str = ""
    ways_back: tuple[WayBack, ...] = ()
    takes_provenance: bool = False
    successor: Successor | None = None
    parts: tuple[PartStanding, ...] = ()

    @property
    def chart_digest(self) -> bytes:
        """What tells this chart from another: what the entry says, and what speaks against the command. Not the version alone.

        Of a command that is there in part it is how each part stands, version and all: what is decided rests on each of them.
        """
        said = self.said if self.current is not None else None
        told: list[Any] = [said, self.stop[0] if self.stop else None, *([self.rests_on] if self.rests_on else [])]
        if self.successor is not None:
            told += [self.successor.reference, self.successor.closed]
        if self.parts:
            told += [[part.digest for part in self.parts]]
        return hashlib.sha256(exact_json.canonical_bytes(told)).digest()

    @property
    def payload_digest(self) -> bytes | None:
        """The SHA-256 of everything that would leave, or ``None`` where nothing could be planned."""
        return digest_of(self.operations) if self.operations else None

    @property
    def has_moved(self) -> bool:
        """Whether the chart is not as the author saw it."""
        return self.stop is not None and self.stop[0] == "conflict"

    @property
    def is_ours(self) -> bool:
        """Whether the entry is one that the action may change at all; of another, such as an order, no field compares."""
        return self.stop is None or self.stop[0] != "not_ours_to_change"

    def in_words(self, name: str, which: str) -> str:
        """Return what ``which`` (``seen``, ``chart`` or ``proposed``) says of a field, in words."""
        return field_text(name, getattr(self.written, which).get(name))

    def in_brief(self, name: str, which: str) -> str:
        """Return the same in the fewest words."""
        return field_brief(name, getattr(self.written, which).get(name))

    @property
    def is_answered(self) -> bool:
        """Whether the chart already says what was proposed; who said it and when is no proposal."""
        open_ = [group for group in self.comparison.groups if group.pending]
        minor = all(group.state is FieldState.INDEPENDENT and group.significance != "high" for group in open_)
        there = any(group.state is FieldState.ALREADY_THERE for group in self.comparison.groups)
        return self.current is not None and (self.comparison.moot or (minor and there))


@dataclass(frozen=True, kw_only=True)
class ChartReader:
    """Looks at the chart; ``ehrs`` gives the EHR of (tenant, connection), ``clock`` aware UTC."""

    cases: CaseStore
    preparation: Preparation
    clock: Callable[[], datetime]

    def look(self, case: StoredCase) -> Look:
        """Return what the chart says of a case now; never raises for an EHR that is away: then it was not readable."""
        command = self.cases.command(case.command_id)
        ehr = self.preparation.ehr_of(command)
        trace = Trace(correlation_id=command.correlation_id, request_id=f"case-{case.id}")
        # Whoever looks sees the chart as it is, not the patient as they were some minutes ago.
        self.preparation.forget_patient(command)
        try:
            parts = self._parts(case, command, ehr)
            return replace(self._look(case, command, ehr, trace), parts=parts)
        except (EhrUnavailableError, NeedsPersonError):
            # What the EHR refuses to show is not to be decided of, either.
            return replace(self._blind(command, ehr), parts=self._parts(case, command, ehr, is_readable=False))

    def _parts(
        self, case: StoredCase, command: Command, ehr: Ehr, *, is_readable: bool = True
    ) -> tuple[PartStanding, ...]:
        if case.state not in IN_PARTS:
            return ()
        operations = self.cases.operations(command.id)
        look = PartsLook(command=command, operations=operations, case=case, ehr=ehr, is_readable=is_readable)
        return look.parts()

    def _look(self, case: StoredCase, command: Command, ehr: Ehr, trace: Trace) -> Look:
        stop = self._stop(command, trace)
        if stop is not None and stop.kind == MERGED:
            look = self._at_chart(case, command, ehr, trace, stop)
            return replace(look, successor=successor_of(command, ehr, trace))
        return self._at_chart(case, command, ehr, trace, stop)

    def _at_chart(self, case: StoredCase, command: Command, ehr: Ehr, trace: Trace, stop: Stop | None) -> Look:
        if case_kind(case.kind).maybe_there and command.attempts:
            plan = self.cases.operations(command.id)
            return self._compare(command, ehr, self._written(plan, ehr, trace), plan, stop=stop)
        current = self._current(command, ehr, trace)
        plan = self._plan(command, ehr, current, trace)
        if current is None and plan:
            current = self._twin(plan, ehr, trace)
        return self._compare(command, ehr, current, plan, stop=stop)

    def _compare(
        self,
        command: Command,
        ehr: Ehr,
        current: Fetched | None,
        plan: tuple[Operation, ...],
        *,
        stop: Stop | None,
    ) -> Look:
        resource = current.resource if current is not None else None
        said = ehr.project(resource) if resource is not None else {}
        primary = next((item for item in plan if item.is_primary), None)
        then = _then(ehr, primary, resource) if primary is not None else None
        would = proposed(ehr, then, resource, said) if then is not None else ehr.as_seen(_content(command), resource)
        base = self._base(command, ehr, resource)
        target = command.envelope.target
        written = Written(
            seen=(target.seen if target is not None else None) or {},
            chart=ehr.fields(resource) if resource is not None else {},
            proposed=ehr.fields(then) if then is not None else _content(command),
        )
        return Look(
            command=command,
            read_at=self.clock(),
            reference=reference_of(resource) if resource is not None else None,
            version=current.version if current is not None else None,
            current=resource,
            base=base,
            said=said,
            proposed=would,
            comparison=compare(
                base=base,
                current=said,
                proposed=would,
                touched=frozenset(_content(command)),
                groups=command.spec.field_groups,
                same_version=current is not None and target is not None and current.version == target.version_id,
            ),
            written=written,
            operations=plan,
            sight=sight_digest(ehr, primary, resource) if primary is not None and resource is not None else None,
            differing=ehr.differences(primary, resource) if primary is not None and resource is not None else (),
            stop=(stop.kind, stop.sentence) if stop is not None else None,
            rests_on=stop.rests_on if stop is not None else "",
            ways_back=_ways_back(command, ehr),
            takes_provenance=ehr.capabilities.provenance_write is not None,
        )

    def _stop(self, command: Command, trace: Trace) -> Stop | None:
        """Return what would keep the command from being sent as it stands; of what is in the chart whole, nothing is sent."""
        if command.operations and all(operation.in_chart for operation in command.operations):
            return None
        # With a part of it in the chart, what would be sent is what was journaled, and nothing is planned.
        stored = list(self.cases.operations(command.id)) if command.partly_in_chart else []
        try:
            self.preparation.prepare(command, stored, trace)
        except NeedsPersonError as error:
            return Stop(kind=error.kind, sentence=str(error), rests_on=error.rests_on)
        except (TargetMovedError, UnsupportedActionError, InvalidPayloadError) as error:
            return Stop(kind=_STOPS[type(error)], sentence=str(error))
        return None

    def _current(self, command: Command, ehr: Ehr, trace: Trace) -> Fetched | None:
        """Read the target of a change; ``None`` for what creates, and for a target that was never written."""
        if command.rule.creates or command.target_reference is None:
            return None
        return ehr.fetch(command.target_reference, trace)

    def _plan(self, command: Command, ehr: Ehr, current: Fetched | None, trace: Trace) -> tuple[Operation, ...]:
        """Return what would be sent if all that is proposed were kept, on the chart as it is; nothing where nothing can be."""
        try:
            around = self.preparation.look_around(command, ehr, trace)
            return tuple(ehr.plan(rebased(command, ehr, current), around))
        except (NeedsPersonError, TargetMovedError, UnsupportedActionError, InvalidPayloadError):
            return ()

    def _twin(self, plan: tuple[Operation, ...], ehr: Ehr, trace: Trace) -> Fetched | None:
        """Return the entry that already says what a create would say, if there is one."""
        found = next((name for operation in plan for name in ehr.twins(operation, trace)), None)
        return ehr.fetch(found, trace) if found is not None else None

    @staticmethod
    def _written(plan: tuple[Operation, ...], ehr: Ehr, trace: Trace) -> Fetched | None:
        """Return the entry that may be the one we wrote: by its id, else by what identifies it."""
        primary = next((item for item in plan if item.is_primary), None)
        if primary is None:
            return None
        reference = primary.reference or ehr.probe(primary, trace).reference
        return ehr.fetch(reference, trace) if reference is not None else None

    def _base(self, command: Command, ehr: Ehr, current: Resource | None) -> Mapping[str, Any] | None:
        """Return what the author had on the screen: as they say, or what our command wrote that they named instead."""
        target = command.envelope.target
        if target is None:
            return None
        if target.seen is not None:
            return ehr.as_seen(target.seen, current)
        written = self.cases.written_before(command) if target.command is not None else None
        return ehr.project(ehr.said(written)) if written is not None else None

    def _blind(self, command: Command, ehr: Ehr) -> Look:
        """Return the look at an EHR that does not answer: what the command says, beside nothing."""
        nothing = compare(base=None, current={}, proposed={}, touched=(), groups=command.spec.field_groups)
        return Look(
            command=command,
            read_at=self.clock(),
            is_readable=False,
            said={},
            proposed={},
            comparison=nothing,
            written=Written(seen={}, chart={}, proposed=_content(command)),
            ways_back=_ways_back(command, self.preparation.ehr_of(command)),
            takes_provenance=ehr.capabilities.provenance_write is not None,
        )

    def planned(self, look: Look, envelope: bytes | None) -> bytes | None:
        """Return the digest of what would leave for ``envelope`` (``None``: the command as it stands) on the chart of ``look``.

        ``None``: nothing can be planned beforehand, as of a command that only another part of the chart holds up. Raises
        ``ReviewError`` ``not-possible`` where what was decided cannot be written, and as :meth:`Ehr.fetch`.
        """
        command, ehr = look.command, self.preparation.ehr_of(look.command)
        if envelope is not None:
            command = command.evolve(envelope=parse_envelope(envelope), known_versions=())
        trace = Trace(correlation_id=command.correlation_id, request_id=str(command.id))
        try:
            return digest_of(tuple(ehr.plan(command, self.preparation.look_around(command, ehr, trace))))
        except (NeedsPersonError, TargetMovedError, UnsupportedActionError, InvalidPayloadError) as error:
            if envelope is None:
                return None
            raise ReviewError(
                "not-possible", f"What you decided cannot be written to this EHR: {error} Nothing was changed."
            ) from None
        except EhrUnavailableError:
            raise ReviewError(
                "chart-unreadable",
                "The EHR stopped answering while this was decided. Nothing was changed; try again later.",
            ) from None


def _ways_back(command: Command, ehr: Ehr) -> tuple[WayBack, ...]:
    action = command.envelope.action
    return ways_to_undo(ehr.capabilities, action.type, action.operation)


def _then(ehr: Ehr, primary: Operation, stored: Resource | None) -> Resource:
    """Return what the entry will say: as it stands now, with what is written on it; a new one as it is sent."""
    return ehr.said_on(primary, stored) if stored is not None else ehr.said(primary)


def proposed(ehr: Ehr, then: Resource, stored: Resource | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is proposed in canonical words; where only the form is not the EHR's own, in the chart's."""
    told = dict(ehr.project(then))
    if stored is None:
        return told
    forms = ehr.as_seen({name: value for name, value in ehr.fields(then).items() if name in told}, stored)
    return told | {name: said[name] for name in told if name in said and forms.get(name) == said[name]}


def rebased(command: Command, ehr: Ehr, current: Fetched | None) -> Command:
    """Return the command as if its author had seen the chart as it is now: only to see what would be sent, never to send it."""
    target = command.envelope.target
    if target is None or current is None or current.resource is None:
        return command
    seen = ehr.project(current.resource)
    now = target.model_copy(update={"version_id": current.version, "seen": seen})
    return command.evolve(envelope=command.envelope.model_copy(update={"target": now}))


def _content(command: Command) -> dict[str, Any]:
    """Return what the action states: field → R4 JSON."""
    said = exact_json.parse(exact_json.dumps(command.envelope.action.as_json()))
    return {name: value for name, value in said.items() if name not in {"type", "operation"}}
