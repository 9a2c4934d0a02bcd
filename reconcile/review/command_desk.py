"""One command for people: what was intended, what happened, where it is now, and taking it back. Its case: ``desk.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from canonical import exact_json
from canonical.acknowledging import in_words
from canonical.admission import AdmissionStore
from canonical.capabilities import Capabilities
from canonical.case_store import CaseStore, StoredCase
from canonical.case_views import CommandPageView
from canonical.command_views import OperationView
from canonical.compensation import REVIEW_APP, Wrote, compensation, compensation_key, principal_of
from canonical.envelope import Envelope, parse_envelope
from canonical.errors import RefusedError
from canonical.idempotency import key_hash
from canonical.plain_values import words
from canonical.plain_words import plain_words
from canonical.policy import PolicySet
from canonical.ports import ConnectionSettings, Ehr
from canonical.provenance import chart_will_say, model_words
from canonical.restricted import is_restricted
from canonical.review_desk import ReviewError
from canonical.review_reads import CommandRecord, CommandRecords, Glass, RelatedCommand
from canonical.reviewer import Pool, Reviewer, Right
from canonical.status import STATUS_OF, explain
from reconcile.review.desk import GLASS_STAYS_BROKEN, require, sees
from reconcile.review.rows import patient_of
from reconcile.review.taking_back import TakingBack
from tasks.receive import Receiver

log = structlog.get_logger()

DOOR = "review"
#: Characters; as long as an envelope's own reason may be.
_LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class CommandDesk:
    """Shows commands and gives those that take others back.

    ``ehrs`` gives the EHR of (tenant, connection), ``capabilities`` what a connection's EHR can do; ``admissions`` is asked which
    command a key made; ``glass`` keeps who opened restricted content; ``clock`` gives aware UTC.
    """

    cases: CaseStore
    records: CommandRecords
    connections: Mapping[tuple[str, str], ConnectionSettings]
    ehrs: Callable[[str, str], Ehr]
    capabilities: Callable[[ConnectionSettings], Capabilities]
    policies: PolicySet
    receiver: Receiver
    admissions: AdmissionStore
    glass: Glass
    clock: Callable[[], datetime]

    def command(self, reviewer: Reviewer, command_id: UUID, *, break_glass: str = "") -> CommandPageView:
        """Return one command for people; raises ``ReviewError`` ``not-found`` or ``not-permitted``.

        Restricted content is shown to whoever says why they must see it (``break_glass``), after that is kept.
        """
        require(reviewer, Right.SEE_ROWS)
        record = self._record(reviewer, command_id)
        case = self._case(reviewer, command_id)
        # What its case's queue hides from a clinician, the chart shows them: a command that is there in part is theirs to see.
        pool = case.pool if case is not None and case.pool in reviewer.pools else Pool.CLINICAL
        is_behind_glass = reviewer.may_read(pool) and not may_read(reviewer, record.received, pool)
        shows = may_read(reviewer, record.received, pool) or (
            is_behind_glass and self._is_opened(reviewer, command_id, break_glass.strip())
        )
        if break_glass:
            record = self._record(reviewer, command_id)
        summary = record.detail.summary
        said = explain(summary.state, summary.reason, summary.sent_as)
        back = self._taking_back(reviewer, record)
        return CommandPageView(
            id=summary.id,
            words=(*_intended(record), *self._of_the_model(reviewer, record)) if shows else None,
            status=STATUS_OF[summary.state].value,
            sentence=said.sentence,
            next=said.next,
            patient=patient_of(exact_json.parse(record.received)) if shows else None,
            connection=summary.connection,
            sender=summary.app,
            received_at=summary.received_at,
            correlation_id=summary.correlation_id,
            case_id=case.id if case is not None else None,
            timeline=record.detail.events,
            operations=tuple(_operation(item, shows=shows) for item in record.detail.operations),
            may_compensate=back.explanation(),
            compensations=back.choices(),
            acknowledgement=in_words(record.owed),
            break_glass=is_behind_glass and not shows,
            related=(*((_relation(item), item.id) for item in record.related), *_lineage(record)),
        )

    def _is_opened(self, reviewer: Reviewer, command_id: UUID, reason: str) -> bool:
        """Whether the reviewer said why they must see restricted content: now, which is kept first, or not long ago."""
        if not reason:
            return self.glass.is_broken(reviewer.tenant, command_id, person=reviewer.actor, within=GLASS_STAYS_BROKEN)
        log.info("restricted content opened", action="command.glass_broken", command=str(command_id))
        return self.glass.break_for(reviewer.tenant, command_id, person=reviewer.actor, reason=reason)

    def compensate(self, reviewer: Reviewer, command_id: UUID, *, operation: str, reason: str) -> UUID:
        """Give the command that takes ``command_id`` out of the chart and return its id; the same wish twice is one command.

        Raises ``ReviewError`` (``not-found``, ``not-permitted``, ``not-possible``, ``reason-required``, ``value-refused``).
        """
        require(reviewer, Right.DECIDE)
        why = _reason(reason)
        record = self._record(reviewer, command_id)
        back = self._taking_back(reviewer, record)
        key = compensation_key(command_id, operation, reviewer, tries=back.tries)
        given = self._given(reviewer, key)
        if given is not None:
            return given
        back.check(operation)
        body = compensation(
            back.envelope,
            self._wrote(record),
            operation,
            reviewer=reviewer,
            reason=why,
            now=self.clock(),
        )
        return self._give(reviewer, record, back.envelope, body, operation, key)

    def _give(
        self,
        reviewer: Reviewer,
        record: CommandRecord,
        envelope: Envelope,
        body: Mapping[str, object],
        operation: str,
        key: str,
    ) -> UUID:
        try:
            receipt = self.receiver.receive(
                exact_json.dumps(body).encode(),
                principal=principal_of(reviewer, envelope.action.type, operation),
                key=key,
                door=DOOR,
                correlation_id=record.detail.summary.correlation_id,
            )
        except RefusedError as error:
            # The same wish, sent twice at once, says another time: the first of them stands.
            given = self._given(reviewer, key) if error.code == "idempotency-key-reused" else None
            if given is None:
                fields = "; ".join(f"{item.pointer}: {item.detail}" for item in error.errors)
                raise ReviewError("not-possible", f"It was refused at the door: {error} {fields}".strip()) from None
            return given
        log.info(
            "taken back", action="command.compensated", command=str(receipt.id), root=str(record.detail.summary.id)
        )
        return receipt.id

    def _given(self, reviewer: Reviewer, key: str) -> UUID | None:
        known = self.admissions.known(reviewer.tenant, REVIEW_APP, key_hash(reviewer.tenant, REVIEW_APP, key))
        return known.id if known is not None else None

    def _record(self, reviewer: Reviewer, command_id: UUID) -> CommandRecord:
        found = self.records.record(reviewer.tenant, command_id)
        if found is None:
            raise ReviewError("not-found", "There is no such command.")
        return found

    def _taking_back(self, reviewer: Reviewer, record: CommandRecord) -> TakingBack:
        settings = self.connections.get((reviewer.tenant, record.detail.summary.connection))
        if settings is None:
            raise ReviewError("not-possible", "Its EHR connection is not configured any more: put it back first.")
        return TakingBack(
            record=record,
            envelope=parse_envelope(record.decided or record.received),
            can=self.capabilities(settings),
            policies=self.policies,
            reviewer=reviewer,
        )

    def _of_the_model(self, reviewer: Reviewer, record: CommandRecord) -> tuple[tuple[str, str], ...]:
        """Return what wrote the content, where no person did, and whether the chart says so."""
        envelope = parse_envelope(record.decided or record.received)
        settings = self.connections.get((reviewer.tenant, record.detail.summary.connection))
        if envelope.ai is None or settings is None:
            return ()
        is_taken = self.capabilities(settings).provenance_write is not None
        return ("Written by a model", model_words(envelope)), ("The chart", chart_will_say(envelope, is_taken=is_taken))

    def _wrote(self, record: CommandRecord) -> Wrote:
        """Return what the command wrote, from its own journal: that is what its page shows, whatever the chart says by now."""
        summary = record.detail.summary
        ehr = self.ehrs(summary.tenant, summary.connection)
        primary = next(item for item in self.cases.operations(summary.id) if item.is_primary)
        resource = ehr.said(primary)
        # What is no field of the action's vocabulary, such as our mark, nobody saw.
        known = ehr.project(resource)
        fields = {name: value for name, value in ehr.fields(resource).items() if name in known}
        return Wrote(command=summary.id, fields=fields, version=record.version, at=summary.state_since)

    def _case(self, reviewer: Reviewer, command_id: UUID) -> StoredCase | None:
        """Return the command's open case, if it is one that the reviewer may see."""
        found = self.cases.open_case_of(reviewer.tenant, command_id)
        case = self.cases.find(reviewer.tenant, found) if found is not None else None
        seen = case is not None and (sees(reviewer, case) or reviewer.may(Right.OVERSEE))
        return case if seen else None


def may_read(reviewer: Reviewer, envelope: bytes, pool: Pool = Pool.CLINICAL) -> bool:
    """Whether the reviewer may see what an envelope (JSON bytes) says: restricted content is opened with a reason only.

    What no open case puts in another ``pool`` is clinical.
    """
    labels = exact_json.parse(envelope).get("securityLabel") or ()
    return reviewer.may_read(pool) and not is_restricted(labels)


def _reason(text: str) -> str:
    said = text.strip()
    if not said:
        raise ReviewError("reason-required", "Say in a few words why it is taken back. Nothing was changed.")
    if len(said) > _LONGEST_REASON:
        raise ReviewError("value-refused", f"Say it in at most {_LONGEST_REASON} characters. Nothing was changed.")
    return said


def _intended(record: CommandRecord) -> tuple[tuple[str, str], ...]:
    """Return what was intended, as received; and what was decided, where a person decided otherwise."""
    received = _lines(record.received)
    if record.decided is None:
        return received
    decided = _lines(record.decided)
    kept = set(decided)
    return (
        *((label if (label, text) in kept else f"{label}, as proposed", text) for label, text in received),
        *((f"{label}, as decided", text) for label, text in decided if (label, text) not in set(received)),
    )


def _lines(envelope: bytes) -> tuple[tuple[str, str], ...]:
    return tuple((line.label, line.text) for line in plain_words(parse_envelope(envelope).action))


def _operation(item: OperationView, *, shows: bool) -> tuple[str, str]:
    """Return one interaction with the EHR: what was asked, and what came of it; references are content."""
    place = f": {item.reference}" if shows and item.reference else ""
    version = f", version {item.version}" if item.version else ""
    return f"{words(item.interaction).capitalize()} {item.resource_type}", f"{words(item.state)}{place}{version}"


def _lineage(record: CommandRecord) -> tuple[tuple[str, UUID], ...]:
    """Return the command that this was given in place of, and those that were given in its place."""
    first = record.detail.replay_of
    given = tuple(("Sent again as", item) for item in record.detail.replays)
    return (("Sent in place of", first), *given) if first is not None else given


def _relation(item: RelatedCommand) -> str:
    stands = STATUS_OF[item.state].value
    part = f"part {item.part} " if item.part is not None else ""
    if item.takes_back:
        return f"{part.capitalize()}{'taken' if part else 'Taken'} back by ({words(stands)})"
    return f"Takes back {part}({words(stands)})"
