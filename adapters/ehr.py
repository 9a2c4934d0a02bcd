"""One connection's EHR: an adapter's decisions and the wire that carries them out. It holds no state of any command."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from adapters.adapter import Adapter, Request
from adapters.change_lookup import ChangeLookup
from adapters.entry_past import EntryPast
from adapters.live import live_checks
from adapters.merge_lookup import MergeLookup
from adapters.outgoing import body_of, headers_of
from adapters.r4.operation_outcome import json_object
from adapters.r4.pages import all_pages, matches
from adapters.read_refusal import is_away, refusal, says_merged
from adapters.retry_after import retry_after
from adapters.site import Site
from adapters.tokens import Tokens
from adapters.versions import version_from_etag
from adapters.wire import Answer, NoAnswer, Wire
from canonical.boot_clock import boot_seconds
from canonical.capabilities import Way, within_contract
from canonical.command import Command
from canonical.entry_history import EntryHistory
from canonical.errors import ConfigurationError, EhrUnavailableError
from canonical.fallback import fallback_for, instead, way_of
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.patient_trail import PatientTrail
from canonical.ports import (
    Capabilities,
    Check,
    Fetched,
    Operation,
    Projection,
    Proof,
    Resource,
    Surrounding,
    Timings,
    Trace,
    WireRequest,
)
from canonical.provenance import PROVENANCE
from canonical.remote_change import RemoteChange

#: Why no token could be had → what that makes of a write, of which nothing was sent.
_WITHOUT_TOKEN = {"auth": Outcome.AUTH, "throttled": Outcome.THROTTLED, "outage": Outcome.UNAVAILABLE}
#: Success that may name nothing: where our mark is not kept, what was written is looked for by its content at once.
_NAMELESS = frozenset({Outcome.APPLIED_UNVERIFIED, Outcome.PENDING_REMOTE})
_CAME_THROUGH = frozenset({Outcome.APPLIED, Outcome.ALREADY_AT_TARGET})


class RestEhr:
    """The :class:`canonical.ports.Ehr` of one connection. Thread-safe."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        site: Site,
        wire: Wire,
        native_wire: Wire | None = None,
        tokens: Tokens,
        timings: Timings,
        proof: Proof,
        clock: Callable[[], datetime],
    ) -> None:
        """Join an adapter to its wires; nothing is connected yet. ``clock`` gives UTC.

        ``native_wire`` leads to the address of what is not FHIR, where the adapter has such requests.
        """
        self.key = adapter.key
        self.mapping_version = adapter.mapping_version
        self.capabilities: Capabilities = within_contract(adapter.capabilities, site.options)
        self.timings = timings
        self._adapter, self._site, self._wire, self._tokens = adapter, site, wire, tokens
        self._native_wire = native_wire
        self._proof, self._clock = proof, clock

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        """Read ``Type/id``.

        Raises :class:`EhrUnavailableError` (try later), and :class:`NeedsPersonError` ``not_readable`` where the EHR answers
        but refuses this one resource (waiting would hold up every other patient of the connection), or ``merged_patient``.
        """
        answer = self._read(Request(method="GET", path=reference, headers={"Cache-Control": "no-cache"}), trace)
        if answer.status in {404, 410} and not says_merged(self.capabilities, answer):
            return Fetched(resource=None, gone=answer.status == 410)
        resource = json_object(answer.body) if answer.status == 200 else None
        if resource is None:
            raise refusal(self.capabilities, answer)
        version = self._adapter.version_of(resource) or version_from_etag(answer.headers.get("etag", ""))
        return Fetched(resource=resource, version=version)

    def fetch_version(self, reference: str, version: str, trace: Trace) -> Fetched | None:
        request = self._adapter.version_query(reference, version, self._site)
        resource = self._glance(request, trace, self._until()) if request is not None else None
        if resource is None or self._adapter.version_of(resource) not in {None, version}:
            return None
        return Fetched(resource=resource, version=version)

    def changes(
        self,
        reference: str,
        since_version: str | None,
        seen_at: datetime | None,
        trace: Trace,
        *,
        own_versions: Collection[str] = (),
    ) -> RemoteChange:
        """Ask within the time of one request; see :meth:`canonical.ports.Ehr.changes`."""
        ends_at = self._until()
        lookup = ChangeLookup(
            adapter=self._adapter,
            site=self._site,
            look=lambda request: self._glance(request, trace, ends_at),
            own_versions=own_versions,
        )
        return lookup.find(reference, since_version, seen_at, self._clock())

    def trail_of(self, patient: str, trace: Trace) -> PatientTrail:
        ends_at, fresh = self._until(), {"Cache-Control": "no-cache"}
        return MergeLookup(
            base_url=self._site.base_url,
            codes=self.capabilities.merged,
            look=lambda path: self._look(Request(method="GET", path=path, headers=fresh), trace, ends_at),
        ).trail(patient)

    def entries(self, resource_type: str, patient: str, trace: Trace) -> tuple[Resource, ...]:
        """Read all pages of the search that the adapter asks for; raises as :meth:`fetch`."""
        request = self._adapter.entries_query(resource_type, patient, self._site)
        pages = all_pages(request, lambda page: self._bundle(page, trace), base_url=self._site.base_url)
        return tuple(resource for page in pages for resource in matches(page))

    def history(self, reference: str, trace: Trace) -> EntryHistory:
        return self._past(trace).history(reference)

    def copies(self, operation: Operation, trace: Trace) -> tuple[str, ...]:
        by_mark = self.capabilities.finds_by_mark or operation.resource_type == PROVENANCE
        return self._past(trace).copies(operation) if by_mark else self.twins(operation, trace)

    def _past(self, trace: Trace) -> EntryPast:
        return EntryPast(
            adapter=self._adapter,
            site=self._site,
            read=lambda request: self._read(request, trace),
            bundle=lambda request: self._bundle(request, trace),
            fetch=lambda name: self.fetch(name, trace),
        )

    def twins(self, operation: Operation, trace: Trace) -> tuple[str, ...]:
        request = self._adapter.twin_query(operation, self._site)
        if request is None:
            return ()
        answer = self._read(request, trace)
        if is_away(self.capabilities, answer):
            raise EhrUnavailableError("outage", retry_after(answer, self._clock()))
        return self._adapter.read_twins(operation, answer, self._site)

    def plan(self, command: Command, around: Surrounding) -> Sequence[Operation]:
        """Return the adapter's plan; where this EHR cannot take it as it is, that of the fallback which the command allows."""
        envelope, options = command.envelope, self._site.options
        if way_of(envelope, self.capabilities).way is not Way.REFUSED:
            return self._adapter.plan(command, around, self._site)
        kind = fallback_for(envelope, self.capabilities, options)
        if kind is None:
            return self._adapter.plan(command, around, self._site)
        told = command.evolve(
            envelope=instead(envelope, kind, options, command.received_at), target_reference=None, known_versions=()
        )
        planned = self._adapter.plan(told, Surrounding(), self._site)
        return [replace(operation, sent_as=kind) for operation in planned]

    def request(self, operation: Operation) -> WireRequest:
        request = self._adapter.request(operation, self._site)
        wire = self._wire_of(request)
        return WireRequest(
            method=request.method, url=wire.url_of(request.path), headers=request.headers, body=request.body
        )

    def said(self, operation: Operation) -> Resource:
        return self._adapter.said(operation, self._site)

    def said_on(self, operation: Operation, stored: Resource) -> Resource:
        return self._adapter.said_on(operation, stored, self._site)

    def send(self, operation: Operation, trace: Trace) -> Settlement:
        """Send ``operation`` once; again, with another token, only where the first was refused for its token and did nothing.

        The first byte leaves within ``timings.leave_within`` or never; everything ends within ``timings.request``. An EHR
        may say so in an answer of any status: the adapter knows (``AUTH``).
        """
        ends_at = boot_seconds() + self.timings.request.total_seconds()
        leave_by = boot_seconds() + self.timings.leave_within.total_seconds()
        request = self._adapter.request(operation, self._site)
        settlement, token = self._send_once(operation, request, trace, ends_at=ends_at, leave_by=leave_by)
        if token is None or settlement.outcome is not Outcome.AUTH:
            return settlement
        self._tokens.refused(token)
        if min(ends_at, leave_by) <= boot_seconds():
            return settlement
        again, token = self._send_once(operation, request, trace, ends_at=ends_at, leave_by=leave_by)
        if token is not None and again.outcome is Outcome.AUTH:
            self._tokens.refused(token)
        return again

    def _send_once(
        self, operation: Operation, request: Request, trace: Trace, *, ends_at: float, leave_by: float
    ) -> tuple[Settlement, str | None]:
        """Return what one request came to, and the token it carried."""
        try:
            token = self._tokens.bearer(max(min(ends_at, leave_by) - boot_seconds(), 0.0))
        except EhrUnavailableError as error:
            outcome = _WITHOUT_TOKEN[error.reason]
            detail = "no access token; nothing was sent"
            return Settlement(outcome=outcome, retry_after=error.retry_after, detail=detail), None
        answer = self._write(request, trace, token, ends_at=ends_at, leave_by=leave_by)
        try:
            return self._judge(operation, answer, trace, ends_at=ends_at), token
        except Exception as error:  # noqa: BLE001 - the request has left: whatever we cannot read is no trustworthy answer
            detail = f"answer not understood: {type(error).__name__}"
            return Settlement(outcome=Outcome.UNKNOWN, detail=detail), token

    def _judge(self, operation: Operation, answer: Answer | NoAnswer, trace: Trace, *, ends_at: float) -> Settlement:
        settlement = self._adapter.classify(operation, answer, self._clock())
        if settlement.outcome is Outcome.CONFLICT:
            return self._look_into_conflict(operation, settlement, trace, seconds=ends_at - boot_seconds())
        if settlement.outcome in _NAMELESS and settlement.reference is None:
            return self._look_for_written(operation, settlement, trace, seconds=ends_at - boot_seconds())
        return self._with_proof(operation, settlement)

    def probe(self, operation: Operation, trace: Trace) -> ProbeResult:
        answer = self._read(self._adapter.probe(operation, self._site), trace)
        if is_away(self.capabilities, answer) or (answer.status == 200 and json_object(answer.body) is None):
            raise EhrUnavailableError("outage", retry_after(answer, self._clock()))
        return self._adapter.read_probe(operation, answer, self._site)

    def differences(self, operation: Operation, stored: Resource) -> tuple[str, ...]:
        return self._adapter.differences(operation, stored, self._site)

    def project(self, resource: Resource) -> Projection:
        return self._adapter.project(resource, self._site)

    def fields(self, resource: Resource) -> Projection:
        return self._adapter.fields(resource)

    def as_seen(self, seen: Mapping[str, Any], stored: Resource | None = None) -> Projection:
        return self._adapter.as_seen(seen, stored, self._site)

    def version_of(self, resource: Resource) -> str | None:
        return self._adapter.version_of(resource)

    def check(self) -> list[Check]:
        return live_checks(self.capabilities, self._statement, self._tokens)

    def close(self) -> None:
        for wire in (self._wire, self._native_wire):
            if wire is not None:
                wire.close()
        self._tokens.close()

    def _write(
        self, request: Request, trace: Trace, token: str | None, *, ends_at: float, leave_by: float
    ) -> Answer | NoAnswer:
        left, leave_within = ends_at - boot_seconds(), leave_by - boot_seconds()
        if left <= 0 or leave_within <= 0:
            return NoAnswer(sent=False, reason="not begun in time")
        return self._wire_of(request).request(
            request.method,
            request.path,
            headers=headers_of(request, trace, token),
            body=body_of(request, token),
            seconds=left,
            leave_within=leave_within,
        )

    def _wire_of(self, request: Request) -> Wire:
        if not request.native:
            return self._wire
        if self._native_wire is None:
            raise ConfigurationError("connection.options.native_url: this EHR takes writes at an address of its own")
        return self._native_wire

    def _read(self, request: Request, trace: Trace, *, seconds: float | None = None) -> Answer:
        """Send one plain read. Raises :class:`EhrUnavailableError` where no answer came or no token was to be had."""
        ends_at = boot_seconds() + (self.timings.request.total_seconds() if seconds is None else seconds)
        answer = self._read_once(request, trace, ends_at)
        if answer.status == 401:
            answer = self._read_once(request, trace, ends_at)
        reason = {401: "auth", 429: "throttled"}.get(answer.status)
        if reason is not None:
            raise EhrUnavailableError(reason, retry_after(answer, self._clock()))
        return answer

    def _bundle(self, request: Request, trace: Trace) -> Resource:
        answer = self._read(request, trace)
        bundle = json_object(answer.body) if answer.status == 200 else None
        if bundle is None or bundle.get("resourceType") != "Bundle":
            raise refusal(self.capabilities, answer)
        return bundle

    def _read_once(self, request: Request, trace: Trace, ends_at: float) -> Answer:
        token = self._tokens.bearer(max(ends_at - boot_seconds(), 0.0))
        headers = headers_of(request, trace, token)
        answer = self._wire_of(request).read(request.path, headers=headers, seconds=ends_at - boot_seconds())
        if isinstance(answer, NoAnswer):
            raise EhrUnavailableError("outage")
        if answer.status == 401 and token is not None:
            self._tokens.refused(token)
        return answer

    def _until(self) -> float:
        """Return when a question that begins now must have ended, in boot seconds."""
        return boot_seconds() + self.timings.request.total_seconds()

    def _glance(self, request: Request, trace: Trace, ends_at: float) -> Resource | None:
        """Return the JSON of a 200, ``None`` for whatever else: of what may be refused, no refusal is held against anything."""
        answer = self._look(request, trace, ends_at)
        return json_object(answer.body) if answer is not None and answer.status == 200 else None

    def _look(self, request: Request, trace: Trace, ends_at: float) -> Answer | None:
        try:
            token = self._tokens.bearer(max(ends_at - boot_seconds(), 0.0))
        except EhrUnavailableError:
            return None
        headers = headers_of(request, trace, token)
        answer = self._wire_of(request).read(request.path, headers=headers, seconds=ends_at - boot_seconds())
        return answer if isinstance(answer, Answer) else None

    def _look_into_conflict(
        self, operation: Operation, settlement: Settlement, trace: Trace, *, seconds: float
    ) -> Settlement:
        """Tell somebody else's edit from our own request delivered twice, of which we were given the second answer."""
        try:
            answer = self._read(self._adapter.probe(operation, self._site), trace, seconds=max(seconds, 0.0))
        except EhrUnavailableError:
            return Settlement(
                outcome=Outcome.UNKNOWN, status=settlement.status, detail="refused as stale, and unreadable"
            )
        found = self._adapter.read_probe(operation, answer, self._site)
        if found.verdict is not ProbeVerdict.APPLIED:
            return settlement
        ours = Settlement(
            outcome=Outcome.ALREADY_AT_TARGET,
            status=settlement.status,
            reference=found.reference,
            version=found.version,
            detail="refused as stale or doubled, yet the chart says what we sent: it was delivered twice",
            body=found.body,
        )
        return self._with_proof(operation, ours)

    def _look_for_written(
        self, operation: Operation, settlement: Settlement, trace: Trace, *, seconds: float
    ) -> Settlement:
        """Find the entry of a success that named none; not to be seen yet, it stays one that names nothing."""
        try:
            answer = self._read(self._adapter.probe(operation, self._site), trace, seconds=max(seconds, 0.0))
        except EhrUnavailableError:
            return settlement
        found = self._adapter.read_probe(operation, answer, self._site)
        if found.verdict is not ProbeVerdict.APPLIED:
            return settlement
        named = replace(settlement, outcome=Outcome.APPLIED, reference=found.reference, version=found.version)
        return self._with_proof(operation, named)

    def _with_proof(self, operation: Operation, settlement: Settlement) -> Settlement:
        """Add what the answer's own body proves, where this connection's answers are proof."""
        if self._proof is not Proof.ANSWER or settlement.outcome not in _CAME_THROUGH:
            return settlement
        stored = json_object(settlement.body)
        if stored is None or f"{stored.get('resourceType')}/{stored.get('id')}" != settlement.reference:
            return settlement
        return replace(settlement, differences=self.differences(operation, stored))

    def _statement(self) -> Resource:
        """Read the CapabilityStatement; raises as :meth:`fetch`."""
        trace = Trace(correlation_id="doctor", request_id="doctor")
        answer = self._read(Request(method="GET", path="metadata"), trace)
        statement = json_object(answer.body) if answer.status == 200 else None
        if statement is None:
            raise refusal(self.capabilities, answer)
        return statement
