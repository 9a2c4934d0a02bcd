"""Receiving: everything between the bytes of a command and its receipt, the same for HTTP, batches and Celery.

A refusal is kept and uses up no key. A repeat is answered with the command's state now, whatever was decided since.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import structlog

from canonical.action import Caveat, spec_for
from canonical.admission import Admission, AdmissionStore, Admitted, BusyError, KnownCommand, Refusal
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError, StoreUnavailableError
from canonical.idempotency import check_key, derived_key, fingerprint, key_hash
from canonical.judgement import check_authority
from canonical.lifecycle import SETTLED, State
from canonical.principal import Principal
from canonical.replay import REPLAYED, ReplayOf
from canonical.status import STATUS_OF, Status, explain
from tasks.faultpoints import Faultpoints
from tasks.hints import Hints
from tasks.judging import Judge
from tasks.locks import Locks
from tasks.quota import HourlyQuota

log = structlog.get_logger()

#: How long a repeat waits for the first request with its key, and how often it looks: a commit takes milliseconds.
PATIENCE = timedelta(seconds=1)
LOOK_AGAIN = timedelta(milliseconds=40)


class ReceiptLostError(StoreUnavailableError):
    """It is not known whether the command was stored. Send it again with the same key: it is stored once."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The answer to a command that is kept: where it is now and what follows.

    ``replayed``: its key was known, nothing was stored by this request; ``note`` is what the action always says;
    ``sent_as``: ``message``, ``note`` or ``task`` where the EHR cannot take it otherwise.
    """

    id: UUID
    status: Status
    state: str
    reason: str
    sentence: str
    next: str
    ended: bool
    replayed: bool
    received_at: datetime
    correlation_id: str
    author_assurance: str
    sent_as: str | None = None
    possible_duplicate_of: UUID | None = None
    note: str = ""

    def moved(self, state: State, reason: str) -> "Receipt":
        """Return the receipt as it reads now that the command is in ``state``."""
        return replace(self, **_told(state, reason, self.sent_as))


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """What travels beside the bytes: who sends, under which key, through which door (``http``, ``celery``), which trace.

    ``message_digest`` names a message whose only copy is here: if it is refused, its body is kept. ``replay``: an operator gives
    it in place of another command.
    """

    principal: Principal
    key: str | None
    door: str
    correlation_id: str | None = None
    traceparent: str | None = None
    message_digest: bytes | None = None
    replay: ReplayOf | None = None


class Receiver:
    """Judges commands and stores those that pass. Thread-safe; one for each process."""

    def __init__(
        self,
        *,
        store: AdmissionStore,
        judge: Judge,
        locks: Locks,
        hints: Hints,
        clock: Callable[[], datetime],
        quota_per_hour: int,
        faultpoints: Faultpoints | None = None,
    ) -> None:
        """Take collaborators; ``clock`` gives aware UTC."""
        self._faultpoints = faultpoints or Faultpoints()
        self._store, self._judge, self._locks, self._hints = store, judge, locks, hints
        self._clock = clock
        self._quota = HourlyQuota(store=store, limit=quota_per_hour, clock=clock)

    def receive(
        self,
        raw: bytes,
        *,
        principal: Principal,
        key: str | None,
        door: str,
        correlation_id: str | None = None,
        traceparent: str | None = None,
        message_digest: bytes | None = None,
        replay: ReplayOf | None = None,
    ) -> Receipt:
        """Return the receipt for the command in ``raw`` (JSON in UTF-8), stored durably or known already.

        Raises ``RefusedError`` (kept, no key used up; ``BusyError`` says when to come again), ``StoreUnavailableError``
        (nothing was accepted) and ``ReceiptLostError`` (unknown): for both of these, send it again with the same key.
        """
        request = Incoming(
            principal=principal,
            key=key,
            door=door,
            correlation_id=correlation_id,
            traceparent=traceparent,
            message_digest=message_digest,
            replay=replay,
        )
        try:
            return self._receive(raw, request)
        except RefusedError as error:
            self.refuse(error, request, raw)
            raise

    def judged(self, raw: bytes, *, principal: Principal, key: str, door: str, correlation_id: str) -> Admission:
        """Return what would be stored of the command in ``raw``, for a caller who stores it together with something else.

        Raises ``RefusedError`` (kept, no key used up) also for a key that made a command before, and ``StoreUnavailableError``.
        Once it is stored, :meth:`given` must be told.
        """
        request = Incoming(principal=principal, key=key, door=door, correlation_id=correlation_id)
        try:
            return _new(self._judged(raw, request)[0])
        except RefusedError as error:
            self.refuse(error, request, raw)
            raise

    def given(self, admissions: Sequence[Admission], lane_id: int | None) -> None:
        """Count commands that were stored together, and have their lane looked at."""
        for admission in admissions:
            self._quota.count(admission.principal.tenant, admission.principal.app)
        if lane_id is not None:
            self._hints.dispatch(lane_id)

    def refuse(self, error: RefusedError, request: Incoming, raw: bytes = b"") -> None:
        """Keep the refusal of one request; ``raw`` only if it came as a message, whose sender keeps no copy."""
        log.info("refused", action="command.refused", code=error.code, door=request.door, app=request.principal.app)
        if error.code == "in-progress":
            return
        self._store.refuse(
            Refusal(
                tenant=request.principal.tenant,
                app=request.principal.app,
                door=request.door,
                code=error.code,
                errors=error.errors,
                body=raw if request.message_digest is not None else None,
                message_digest=request.message_digest,
            )
        )

    def _receive(self, raw: bytes, request: Incoming) -> Receipt:
        found, caveats = self._judged(raw, request)
        if isinstance(found, KnownCommand):
            return _receipt(found, caveats, replayed=True)
        return self._stored(found, caveats)

    def _judged(self, raw: bytes, request: Incoming) -> tuple[Admission | KnownCommand, Sequence[Caveat]]:
        """Return what is to be stored, or the command that the key made before of the same content, and what its receipt adds."""
        principal = request.principal
        envelope = parse_envelope(raw)
        assurance = check_authority(envelope, principal)
        settings, connection_id = self._judge.connection(envelope, principal)
        key = check_key(request.key) if request.key is not None else derived_key(envelope, principal.app)
        hashed, print_ = key_hash(principal.tenant, principal.app, key), fingerprint(envelope)
        known = self._store.known(principal.tenant, principal.app, hashed)
        caveats = self._judge.caveats(envelope, settings)
        if known is not None:
            return _same(known, print_), caveats
        now = self._clock()
        judged = self._judge.judge(envelope, principal, settings, now)
        consent = judged.passed()
        self._quota.check(principal.tenant, principal.app)
        admission = Admission(
            envelope=envelope,
            raw=raw,
            principal=principal,
            connection_id=connection_id,
            consent=consent,
            key_hash=hashed,
            fingerprint=print_,
            author_assurance=assurance,
            correlation_id=envelope.correlation_id or request.correlation_id or str(uuid4()),
            traceparent=request.traceparent,
            approval_reason=judged.approval_reason or _asked_again(request.replay),
            findings=judged.findings,
            sent_as=judged.sent_as,
            detail={
                "door": request.door,
                "marks": [*spec_for(envelope.action).marks(envelope, now), *(it.mark for it in caveats if it.mark)],
                "policy": self._judge.policy_version,
            }
            | _lineage(request.replay),
            replay=request.replay,
        )
        return admission, caveats

    def _stored(self, admission: Admission, caveats: Sequence[Caveat]) -> Receipt:
        admitted = self._admit(admission)
        if admitted.replayed:
            return _receipt(_same(admitted.command, admission.fingerprint), caveats, replayed=True)
        principal = admission.principal
        self._quota.count(principal.tenant, principal.app)
        log.info("accepted", action="command.accepted", command=str(admitted.command.id), app=principal.app)
        if admitted.lane_id is not None:
            self._hints.dispatch(admitted.lane_id)
        return _receipt(admitted.command, caveats, replayed=False)

    def _admit(self, admission: Admission) -> Admitted:
        """Store it, letting a concurrent request with the same key go first; the unique key decides in the end."""
        principal, hashed = admission.principal, admission.key_hash
        give_up = time.monotonic() + PATIENCE.total_seconds()
        while True:
            with self._locks.door(hashed) as grip:
                if grip.free:
                    return self._store_once(admission)
            known = self._store.known(principal.tenant, principal.app, hashed)
            if known is not None:
                return Admitted(command=known, replayed=True)
            if time.monotonic() >= give_up:
                raise BusyError(
                    "in-progress",
                    "Another request with this key is being accepted right now. Ask again with the same key.",
                    retry_after=timedelta(seconds=1),
                )
            Event().wait(LOOK_AGAIN.total_seconds())

    def _store_once(self, admission: Admission) -> Admitted:
        try:
            self._faultpoints.reach("before_accept_commit")
            admitted = self._store.admit(admission)
        except StoreUnavailableError as error:
            # The answer to COMMIT may be what was lost: the row tells, where it can be read.
            principal = admission.principal
            try:
                known = self._store.known(principal.tenant, principal.app, admission.key_hash)
            except StoreUnavailableError:
                known = None
            if known is None:
                raise ReceiptLostError from error
            # Another request may have won the key: then it is a repeat of that one, or a refused change of it.
            return Admitted(command=known, replayed=known.fingerprint != admission.fingerprint)
        self._faultpoints.reach("after_accept_commit")
        return admitted


def _asked_again(replay: ReplayOf | None) -> str:
    """Return why a person must approve a replay first where no policy asks for one, or nothing."""
    return REPLAYED if replay is not None and replay.needs_person else ""


def _lineage(replay: ReplayOf | None) -> dict[str, str]:
    return {"replay": str(replay.replay), "replay_of": str(replay.command)} if replay is not None else {}


def _new(found: Admission | KnownCommand) -> Admission:
    if isinstance(found, KnownCommand):
        raise RefusedError("idempotency-key-reused", "This was given before. Nothing was changed.")
    return found


def _same(known: KnownCommand, print_: bytes) -> KnownCommand:
    """Return the command that a key made, if it was of the same content; raises ``idempotency-key-reused``."""
    if known.fingerprint != print_:
        raise RefusedError(
            "idempotency-key-reused",
            "This key was used for a command with other content. Nothing was changed; use a new key for a new command.",
        )
    return known


def _receipt(command: KnownCommand, caveats: Sequence[Caveat], *, replayed: bool) -> Receipt:
    note = spec_for({"type": command.action_type}).receipt_note
    return Receipt(
        **_told(command.state, command.reason, command.sent_as),
        sent_as=command.sent_as,
        id=command.id,
        replayed=replayed,
        received_at=command.received_at,
        correlation_id=command.correlation_id,
        author_assurance=command.author_assurance,
        possible_duplicate_of=command.possible_duplicate_of,
        note=" ".join([*([note] if note else []), *(item.sentence for item in caveats)]),
    )


def _told(state: State, reason: str, sent_as: str | None) -> dict[str, Any]:
    said = explain(state, reason, sent_as)
    return {
        "status": STATUS_OF[state],
        "state": state.value,
        "reason": reason,
        "sentence": said.sentence,
        "next": said.next,
        "ended": state in SETTLED,
    }
