"""What would become of a command, without sending or storing any of it: reads only.

The EHR is read only for a command that nothing speaks against: a preview shows nobody more than the write itself would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from canonical.action import Finding
from canonical.command import Command, Governance
from canonical.compensation_catalogue import WayBack
from canonical.consent import ConsentTerms
from canonical.envelope import Envelope, parse_envelope
from canonical.errors import (
    EhrUnavailableError,
    InvalidPayloadError,
    NeedsPersonError,
    RefusedError,
    TargetMovedError,
    UnsupportedActionError,
    WritebackError,
)
from canonical.judgement import check_authority
from canonical.lifecycle import State
from canonical.plain_words import Line, plain_words
from canonical.ports import Ehr, Interaction, Operation, Trace, WireRequest
from canonical.principal import Principal
from tasks.judging import Judge, Judged
from tasks.preparation import Preparation

#: What keeps a command from being sent once it is accepted → what would become of it, or the case it would be.
_STOPS: dict[type[WritebackError], str] = {
    TargetMovedError: "conflict",
    UnsupportedActionError: "not_supported",
    InvalidPayloadError: "invalid_payload",
}


@dataclass(frozen=True, kw_only=True)
class Stop:
    """What would hold an accepted command up before it is sent: the kind of case, or ``unavailable``, and why."""

    kind: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One canonical field of the chart: what it says now and what it would say, as JSON values; ``None``: nothing."""

    field: str
    now: object
    then: object


@dataclass(frozen=True, kw_only=True)
class PlannedRequest:
    """One request that would leave, with the guard that it carries in words, and what it would change in the chart."""

    operation: Operation
    request: WireRequest
    precondition: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Everything that is known beforehand.

    ``refusals``: why the door would not take it; ``stop``: what would hold it up then; ``findings``: cases that would be
    opened beside it; ``approval_reason``: why a person must approve it first; ``says``: the action in plain words;
    ``sent_as``: the fallback that would be taken; ``dependents``: commands of ours that build on the same entry;
    ``ways_back``: how it could be undone afterwards, the farthest first.
    """

    refusals: tuple[RefusedError, ...] = ()
    stop: Stop | None = None
    findings: tuple[Finding, ...] = ()
    approval_reason: str = ""
    says: tuple[Line, ...] = ()
    sent_as: str | None = None
    requests: tuple[PlannedRequest, ...] = ()
    dependents: tuple[UUID, ...] = ()
    ways_back: tuple[WayBack, ...] = ()


class Previewer:
    """Looks ahead for apps and people. Thread-safe."""

    def __init__(
        self,
        *,
        judge: Judge,
        preparation: Preparation,
        written: Callable[[str, UUID], str | None],
        followers: Callable[[str, str | None, UUID | None], tuple[UUID, ...]],
        clock: Callable[[], datetime],
    ) -> None:
        """Take collaborators; ``clock`` gives aware UTC.

        ``written(tenant, command)`` is the reference that a command of ours got; ``followers(tenant, reference, command)``
        are the commands that change or build on that entry.
        """
        self._judge, self._preparation = judge, preparation
        self._written, self._followers, self._clock = written, followers, clock

    def preview(self, raw: bytes, *, principal: Principal) -> Preview:
        """Return what would become of the command in ``raw`` (JSON in UTF-8).

        Raises ``RefusedError`` where there is no command to look ahead for: it cannot be parsed, or names no connection.
        """
        envelope = parse_envelope(raw)
        settings, _ = self._judge.connection(envelope, principal)
        authority = _refusal(lambda: check_authority(envelope, principal))
        judged = self._judge.judge(envelope, principal, settings, self._clock())
        refusals = (*authority, *judged.refusals)
        says, back = plain_words(envelope.action), self._judge.ways_back(envelope, settings)
        if refusals:
            return Preview(refusals=refusals, says=says, sent_as=judged.sent_as, ways_back=back)
        return replace(self._ahead(envelope, raw, principal, judged, says), ways_back=back)

    def _ahead(
        self, envelope: Envelope, raw: bytes, principal: Principal, judged: Judged, says: tuple[Line, ...]
    ) -> Preview:
        command = self._command(envelope, raw, principal, judged.passed())
        ehr = self._preparation.ehr_of(command)
        trace = Trace(correlation_id=command.correlation_id, request_id=str(command.id))
        stop, requests = None, tuple[PlannedRequest, ...]()
        try:
            plan = self._preparation.prepare(command, [], trace)
            requests = tuple(self._planned(operation, command, ehr, trace) for operation in plan.operations)
        except NeedsPersonError as error:
            stop = Stop(kind=error.kind, detail=str(error))
        except EhrUnavailableError as error:
            stop = Stop(kind="unavailable", detail=str(error))
        except (TargetMovedError, UnsupportedActionError, InvalidPayloadError) as error:
            stop = Stop(kind=_STOPS[type(error)], detail=str(error))
        return Preview(
            stop=stop,
            findings=judged.findings,
            approval_reason=judged.approval_reason,
            says=says,
            sent_as=judged.sent_as,
            requests=requests,
            dependents=self._dependents(command),
        )

    def _command(self, envelope: Envelope, raw: bytes, principal: Principal, consent: ConsentTerms) -> Command:
        """Return the command as the door would store it, under an id that no other will have."""
        now, made = self._clock(), uuid4()
        target = envelope.target
        reference = target.reference if target else None
        if reference is None and target is not None and target.command is not None:
            reference = self._written(principal.tenant, target.command)
        return Command(
            id=made,
            tenant=principal.tenant,
            app=principal.app,
            connection=envelope.connection,
            lane_id=0,
            lane_seq=0,
            subject=str(made),
            root=made,
            state=State.READY,
            attempts=0,
            envelope=envelope,
            digest=hashlib.sha256(raw).digest(),
            governance=Governance(
                consent_version=consent.version, consent_version_now=consent.version, consent_active=True
            ),
            received_at=now,
            due_at=now,
            not_after=envelope.not_after,
            correlation_id=envelope.correlation_id or str(made),
            target_reference=reference,
        )

    def _planned(self, operation: Operation, command: Command, ehr: Ehr, trace: Trace) -> PlannedRequest:
        before = ehr.fetch(operation.reference, trace).resource if operation.reference is not None else None
        return PlannedRequest(
            operation=operation,
            request=ehr.request(operation),
            precondition=_precondition(operation),
            effects=_effects(ehr.project(before) if before is not None else {}, ehr.project(ehr.said(operation))),
        )

    def _dependents(self, command: Command) -> tuple[UUID, ...]:
        target = command.envelope.target
        if target is None:
            return ()
        return self._followers(command.tenant, command.target_reference, target.command)


def _refusal(check: Callable[[], object]) -> tuple[RefusedError, ...]:
    try:
        check()
    except RefusedError as error:
        return (error,)
    return ()


def _precondition(operation: Operation) -> str:
    if operation.if_match is not None:
        rebased = " (read now; what the author saw is unchanged)" if operation.rebased else ""
        return f"only if the chart still has version {operation.if_match}{rebased}"
    if operation.interaction is not Interaction.CREATE:
        return "compared with what the author saw just before; this EHR has no guard for the moment of writing"
    if operation.if_none_exist is not None:
        return "only if our identifier is not in the chart yet"
    return "none; what the chart says already is looked at before"


def _effects(now: dict[str, object], then: dict[str, object]) -> tuple[Effect, ...]:
    names = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    return tuple(Effect(field=name, now=now.get(name), then=then.get(name)) for name in names)
