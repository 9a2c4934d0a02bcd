"""One command sent again, or not: is it there, may it be, with which bytes; then the one move. Which and when: ``replays.py``.

Nothing is sent from here: a command is handed on to the ordinary write, after the EHR said that it does not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog

from canonical.action import with_parts
from canonical.admission import AdmissionStore, BusyError
from canonical.case_store import CaseStore
from canonical.envelope import Author
from canonical.errors import EhrUnavailableError, NeedsPersonError, RefusedError, StoreUnavailableError
from canonical.idempotency import key_hash
from canonical.lifecycle import State
from canonical.outcome import ProbeResult, ProbeVerdict
from canonical.policy import PROTECTED
from canonical.ports import ConnectionSettings, Ehr, Operation, Trace
from canonical.principal import Principal
from canonical.replay import (
    NOT_TO_REPLAY,
    ItemResult,
    ReplayOf,
    Result,
    TakenItem,
    replay_key,
    replay_limits,
)
from canonical.replay_store import Original, ReplayBook
from canonical.review_desk import Verb
from reconcile.replay_bytes import Bytes, bytes_for
from reconcile.review.bulk import why_not_in_bulk
from tasks.hints import Hints
from tasks.preview import Preview, Previewer
from tasks.receive import Receiver

log = structlog.get_logger()

DOOR = "replay"
#: The probes of one command: what each operation that was ever sent came to.
Probes = list[tuple[UUID, Operation, ProbeResult]]


@dataclass(frozen=True, kw_only=True)
class ReplayPrincipal(Principal):
    """An operator's replay in the name of the app that sent the command: it may give that action and nothing else."""

    person: str
    authenticated: bool

    @property
    def actor(self) -> str:
        """Who did it, for events and histories."""
        return f"app:{self.app} {self.person}"

    def is_author(self, author: Author) -> bool:
        """Whether the author was logged in when they gave the command: it is theirs still."""
        return self.authenticated


class NotNow(Exception):
    """The item is looked at again after ``wait``."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Replaying:
    """Takes one item that was begun to its end; ``ehrs`` gives the EHR of (tenant, connection). Thread-safe."""

    book: ReplayBook
    cases: CaseStore
    ehrs: Callable[[str, str], Ehr]
    connections: Mapping[tuple[str, str], ConnectionSettings]
    previewer: Previewer
    receiver: Receiver
    admissions: AdmissionStore
    hints: Hints

    def run(self, item: TakenItem) -> ItemResult | None:
        """Return what became of an item, stored; ``None``: it is put back. Raises ``StoreUnavailableError``."""
        try:
            result = self._result(item)
        except NotNow as later:
            self.book.put_back(item, later.wait)
            return None
        if not self.book.finish(item, result):
            return None
        log.info(
            "replayed",
            action="replay.item",
            replay=str(item.replay.id),
            command=str(item.command),
            result=result.result.value,
            why=result.why,
            dry_run=item.replay.dry_run,
        )
        return result

    def _result(self, item: TakenItem) -> ItemResult:
        original = self.book.original(item.replay.tenant, item.command, item.replay.id)
        command = original.command
        if original.resent:
            return ItemResult(result=Result.SENT, why="resent")
        given = self._given(original, item)
        if given is not None:
            return ItemResult(result=Result.GIVEN, why="given", new_command=given)
        if (command.tenant, command.connection) not in self.connections:
            return _refused("connection-gone")
        closed = _closed(original)
        if closed is not None:
            return closed
        probes = self._probes(original)
        there = self._there(original, item, probes)
        if there is not None:
            return there
        if command.state is State.IN_REVIEW:
            return self._in_place(original, item)
        return self._anew(original, item)

    def _given(self, original: Original, item: TakenItem) -> UUID | None:
        command = original.command
        hashed = key_hash(command.tenant, command.app, replay_key(item.replay.id, command.id))
        known = self.admissions.known(command.tenant, command.app, hashed)
        return known.id if known is not None else None

    def _probes(self, original: Original) -> Probes:
        if original.wait > timedelta():
            raise NotNow(original.wait)
        return [(member, operation, self._probe(original, operation)) for member, operation in original.attempted]

    def _probe(self, original: Original, operation: Operation) -> ProbeResult:
        command = original.command
        try:
            return self.ehrs(command.tenant, command.connection).probe(operation, _trace(original))
        except EhrUnavailableError as error:
            raise NotNow(error.retry_after or replay_limits().again) from None
        except NeedsPersonError as error:
            return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail=error.kind)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - an answer nobody can read is no proof that nothing is there
            log.error("probe failed", action="replay.probe", command=str(command.id), error=type(error).__name__)
            return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail="not-understood")

    def _there(self, original: Original, item: TakenItem, probes: Probes) -> ItemResult | None:
        """Return what follows where the EHR does not say of every operation that it is not there; ``None``: it does."""
        verdicts = {result.verdict for _, _, result in probes}
        if verdicts <= {ProbeVerdict.NOT_APPLIED}:
            return None
        if ProbeVerdict.APPLIED not in verdicts:
            details = sorted(result.detail for _, _, result in probes if result.verdict is ProbeVerdict.CANNOT_TELL)
            error = details[0] if details and details[0].replace("_", "-").isascii() else ""
            return _person("probe-cannot-tell", original, error=error[:80])
        if original.command.state is State.IN_REVIEW:
            return self._found(original, item, probes)
        if item.replay.dry_run:
            return ItemResult(result=Result.ALREADY_THERE, why="probe-found")
        case = self.book.tell_written(original)
        return ItemResult(result=Result.ALREADY_THERE, why="probe-found-after-end", case_id=case)

    def _found(self, original: Original, item: TakenItem, probes: Probes) -> ItemResult:
        """Have the whole of it proven, where the whole of it was found and its case leaves that open; else a person looks."""
        case = self.cases.find(original.command.tenant, original.case_id) if original.case_id is not None else None
        own = {operation.seq for member, operation, _ in probes if member == original.command.id}
        whole = own == {operation.seq for operation in original.operations} and all(
            result.verdict is ProbeVerdict.APPLIED and member == original.command.id for member, _, result in probes
        )
        there = ItemResult(result=Result.ALREADY_THERE, why="probe-found", case_id=original.case_id)
        if not whole or case is None or not case.holds or item.replay.dry_run:
            return there
        if case.is_claimed_by_another(item.replay.person):
            return _person("claimed-by-another", original)
        if not self.book.found(original, item, [(operation, result) for _, operation, result in probes]):
            return _person("moved-meanwhile", original)
        self.hints.verify(original.command.id)
        return there

    def _in_place(self, original: Original, item: TakenItem) -> ItemResult:
        """Send a command again that stands still: itself, with what was journaled for it, and its case is closed by that."""
        command = original.command
        case = self.cases.find(command.tenant, original.case_id) if original.case_id is not None else None
        if case is None or not case.holds:
            return _person("no-case", original)
        if case.is_claimed_by_another(item.replay.person):
            return _person("claimed-by-another", original)
        preview = self._preview(original, item)
        told = bytes_for(self._ehr(original), original, preview, item.replay.mode)
        # Its own earlier writes may have moved its target: only the ordinary write knows them all.
        followed = preview.stop is not None and preview.stop.kind == "conflict" and bool(original.operations)
        stopped = _door(preview, told) if followed else _stopped(preview, told)
        if stopped is not None:
            return replace(stopped, case_id=original.case_id)
        if why_not_in_bulk(case, Verb.RESEND):
            return _asks("not-in-bulk", original, told, item)
        if told.differ:
            return _asks("bytes-differ", original, told, item)
        if item.replay.dry_run:
            return _told(Result.WOULD_SEND, "nothing-there", told)
        if not self.book.resend(original, item):
            return _person("moved-meanwhile", original)
        self.hints.dispatch(command.lane_id)
        return _told(Result.SENT, "resent", told)

    def _anew(self, original: Original, item: TakenItem) -> ItemResult:
        """Give a command in place of one that ended: the same intent, through the door as it is now."""
        preview = self._preview(original, item)
        told = bytes_for(self._ehr(original), original, preview, item.replay.mode)
        stopped = _stopped(preview, told)
        if stopped is not None:
            return stopped
        needs_person = told.differ or _is_decided_alone(original) or bool(preview.approval_reason)
        if needs_person and told.which == "stored":
            # Whoever approves it approves what is planned then: that is what leaves.
            told = replace(told, which="regenerated")
        if item.replay.dry_run:
            if needs_person:
                return _told(Result.WOULD_ASK, "new-approval", told)
            return _told(Result.WOULD_SEND, "nothing-there", told)
        given = self._give(original, item, stored=told.which == "stored", needs_person=needs_person)
        if isinstance(given, ItemResult):
            return given
        if needs_person:
            case = self.cases.open_case_of(original.command.tenant, given)
            return replace(_told(Result.AWAITS_APPROVAL, "new-approval", told), new_command=given, case_id=case)
        return replace(_told(Result.GIVEN, "given", told), new_command=given)

    def _give(self, original: Original, item: TakenItem, *, stored: bool, needs_person: bool) -> UUID | ItemResult:
        command = original.command
        place = ReplayOf(
            replay=item.replay.id,
            family=original.family,
            command=command.id,
            stored=stored,
            needs_person=needs_person,
        )
        try:
            receipt = self.receiver.receive(
                original.raw,
                principal=_principal(original, item),
                key=replay_key(item.replay.id, command.id),
                door=DOOR,
                correlation_id=command.correlation_id,
                traceparent=command.traceparent,
                replay=place,
            )
        except BusyError as error:
            raise NotNow(error.retry_after) from None
        except RefusedError as error:
            return _refused("already-replayed" if error.code == "not-possible" else "door-refused", error=error.code)
        return receipt.id

    def _preview(self, original: Original, item: TakenItem) -> Preview:
        try:
            preview = self.previewer.preview(original.raw, principal=_principal(original, item))
        except RefusedError as error:
            return Preview(refusals=(error,))
        if preview.stop is not None and preview.stop.kind == "unavailable":
            raise NotNow(replay_limits().again)
        return preview

    def _ehr(self, original: Original) -> Ehr:
        return self.ehrs(original.command.tenant, original.command.connection)


def _closed(original: Original) -> ItemResult | None:
    """Return why a command in its state is not replayed, or ``None``."""
    command = original.command
    if original.living is not None:
        return ItemResult(result=Result.REFUSED, why="already-replayed", new_command=original.living)
    why = NOT_TO_REPLAY.get(command.state)
    if why is None:
        return None
    if why == "in-the-chart":
        return ItemResult(result=Result.ALREADY_THERE, why=why)
    return _person(why, original) if why == "its-case-decides" else _refused(why)


def _is_decided_alone(original: Original) -> bool:
    """Whether a person must approve it by itself: who ended it said no, or nobody may send such things in bulk."""
    envelope = original.command.envelope
    protected = any(action.type in PROTECTED for action in with_parts(envelope))
    said_no = original.reason not in replay_limits().mended
    return protected or envelope.ai is not None or said_no or original.revised


def _principal(original: Original, item: TakenItem) -> ReplayPrincipal:
    command = original.command
    return ReplayPrincipal(
        tenant=command.tenant,
        app=command.app,
        scopes=frozenset(f"writeback/{it.type}.{it.operation}" for it in with_parts(command.envelope)),
        person=item.replay.person,
        authenticated=original.author_assurance == "authenticated",
    )


def _trace(original: Original) -> Trace:
    command = original.command
    return Trace(correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent)


def _door(preview: Preview, told: Bytes) -> ItemResult | None:
    """Return the refusal of the door as it is now, or ``None``."""
    if preview.refusals:
        return _told(Result.REFUSED, "door-refused", told, error=preview.refusals[0].code)
    return None


def _stopped(preview: Preview, told: Bytes) -> ItemResult | None:
    """Return what would keep it from being sent, or ``None``."""
    refused = _door(preview, told)
    if refused is not None or preview.stop is None:
        return refused
    return _told(Result.NEEDS_PERSON, "would-stop", told, error=preview.stop.kind)


def _refused(why: str, *, error: str = "") -> ItemResult:
    return ItemResult(result=Result.REFUSED, why=why, error=error)


def _person(why: str, original: Original, *, error: str = "") -> ItemResult:
    return ItemResult(result=Result.NEEDS_PERSON, why=why, error=error, case_id=original.case_id)


def _asks(why: str, original: Original, told: Bytes, item: TakenItem) -> ItemResult:
    result = Result.WOULD_ASK if item.replay.dry_run else Result.AWAITS_APPROVAL
    return replace(_told(result, why, told), case_id=original.case_id)


def _told(result: Result, why: str, told: Bytes, *, error: str = "") -> ItemResult:
    return ItemResult(
        result=result,
        why=why,
        error=error,
        bytes=told.which,
        mapping_pinned=told.mapping_pinned,
        mapping_now=told.mapping_now,
        stored_digest=told.stored_digest,
        planned_digest=told.planned_digest,
        changed=told.changed,
    )
