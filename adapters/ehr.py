"""One connection's EHR: an adapter's decisions and the wire that carries them out. It holds no state of any command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.adapter import Adapter, Request
from adapters.live import live_checks
from adapters.r4.operation_outcome import json_object
from adapters.retry_after import retry_after
from adapters.site import Site
from adapters.tokens import Tokens
from adapters.versions import version_from_etag
from adapters.wire import Answer, NoAnswer, Wire
from canonical.boot_clock import boot_seconds
from canonical.command import Command
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.outcome import Outcome, ProbeResult, ProbeVerdict, Settlement
from canonical.ports import (
    Capabilities,
    Check,
    Fetched,
    Interaction,
    Operation,
    Projection,
    Proof,
    Resource,
    Timings,
    Trace,
)

#: Why no token could be had → what that makes of a write, of which nothing was sent.
_WITHOUT_TOKEN = {"auth": Outcome.AUTH, "throttled": Outcome.THROTTLED, "outage": Outcome.UNAVAILABLE}
_CAME_THROUGH = frozenset({Outcome.APPLIED, Outcome.ALREADY_AT_TARGET})


class RestEhr:
    """The :class:`canonical.ports.Ehr` of one connection. Thread-safe."""

    def __init__(
        self,
        *,
        adapter: Adapter,
        site: Site,
        wire: Wire,
        tokens: Tokens,
        timings: Timings,
        proof: Proof,
        clock: Callable[[], datetime],
    ) -> None:
        """Join an adapter to its wire; nothing is connected yet. ``clock`` gives UTC."""
        self.key = adapter.key
        self.mapping_version = adapter.mapping_version
        self.capabilities: Capabilities = adapter.capabilities
        self.timings = timings
        self._adapter, self._site, self._wire, self._tokens = adapter, site, wire, tokens
        self._proof, self._clock = proof, clock

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        """Read ``Type/id``.

        Raises :class:`EhrUnavailableError` (try later), and :class:`NeedsPersonError` ``not_readable`` where the EHR answers
        but refuses this one resource: waiting would hold up every other patient of the connection.
        """
        headers = {"Cache-Control": "no-cache"}
        answer = self._read(Request(method="GET", path=reference, headers=headers), trace)
        if answer.status in {404, 410}:
            return Fetched(resource=None)
        resource = json_object(answer.body) if answer.status == 200 else None
        if resource is None:
            raise _unreadable(answer)
        version = self._adapter.version_of(resource) or version_from_etag(answer.headers.get("etag", ""))
        return Fetched(resource=resource, version=version)

    def plan(self, command: Command, current: Fetched | None) -> Sequence[Operation]:
        return self._adapter.plan(command, current, self._site)

    def send(self, operation: Operation, trace: Trace) -> Settlement:
        """Send ``operation`` once; a second time only after a 401, which did nothing, and while it is not too late.

        The first byte leaves within ``timings.leave_within`` or never; everything ends within ``timings.request``.
        """
        ends_at = boot_seconds() + self.timings.request.total_seconds()
        leave_by = boot_seconds() + self.timings.leave_within.total_seconds()
        request = self._adapter.request(operation)
        try:
            answer = self._write(request, trace, ends_at=ends_at, leave_by=leave_by)
        except EhrUnavailableError as error:
            outcome = _WITHOUT_TOKEN[error.reason]
            return Settlement(
                outcome=outcome, retry_after=error.retry_after, detail="no access token; nothing was sent"
            )
        try:
            return self._judge(operation, answer, trace, ends_at=ends_at)
        except Exception as error:  # noqa: BLE001 - the request has left: whatever we cannot read is no trustworthy answer
            return Settlement(outcome=Outcome.UNKNOWN, detail=f"answer not understood: {type(error).__name__}")

    def _judge(self, operation: Operation, answer: Answer | NoAnswer, trace: Trace, *, ends_at: float) -> Settlement:
        settlement = self._adapter.classify(operation, answer, self._clock())
        if settlement.outcome is Outcome.CONFLICT and operation.interaction is Interaction.UPDATE:
            return self._look_into_conflict(operation, settlement, trace, seconds=ends_at - boot_seconds())
        return self._with_proof(operation, settlement)

    def probe(self, operation: Operation, trace: Trace) -> ProbeResult:
        answer = self._read(self._adapter.probe(operation), trace)
        if answer.status >= 500 or (answer.status == 200 and json_object(answer.body) is None):
            raise EhrUnavailableError("outage", retry_after(answer, self._clock()))
        return self._adapter.read_probe(operation, answer)

    def differences(self, operation: Operation, stored: Resource) -> tuple[str, ...]:
        return self._adapter.differences(operation, stored, self._site)

    def project(self, resource: Resource) -> Projection:
        return self._adapter.project(resource, self._site)

    def version_of(self, resource: Resource) -> str | None:
        return self._adapter.version_of(resource)

    def check(self) -> list[Check]:
        return live_checks(self.capabilities, self._statement, self._tokens)

    def close(self) -> None:
        self._wire.close()
        self._tokens.close()

    def _write(self, request: Request, trace: Trace, *, ends_at: float, leave_by: float) -> Answer | NoAnswer:
        answer: Answer | NoAnswer = NoAnswer(sent=False, reason="not begun in time")
        for _ in range(2):
            left, leave_within = ends_at - boot_seconds(), leave_by - boot_seconds()
            if left <= 0 or leave_within <= 0:
                break
            token = self._tokens.bearer(min(left, leave_within))
            answer = self._wire.request(
                request.method,
                request.path,
                headers=_headers(request, trace, token),
                body=request.body,
                seconds=ends_at - boot_seconds(),
                leave_within=leave_by - boot_seconds(),
            )
            if not isinstance(answer, Answer) or answer.status != 401 or token is None:
                break
            self._tokens.refused(token)
        return answer

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

    def _read_once(self, request: Request, trace: Trace, ends_at: float) -> Answer:
        token = self._tokens.bearer(max(ends_at - boot_seconds(), 0.0))
        headers = _headers(request, trace, token)
        answer = self._wire.read(request.path, headers=headers, seconds=ends_at - boot_seconds())
        if isinstance(answer, NoAnswer):
            raise EhrUnavailableError("outage")
        if answer.status == 401 and token is not None:
            self._tokens.refused(token)
        return answer

    def _look_into_conflict(
        self, operation: Operation, settlement: Settlement, trace: Trace, *, seconds: float
    ) -> Settlement:
        """Tell somebody else's edit from our own request delivered twice, of which we were given the second answer."""
        try:
            answer = self._read(self._adapter.probe(operation), trace, seconds=max(seconds, 0.0))
        except EhrUnavailableError:
            return Settlement(
                outcome=Outcome.UNKNOWN, status=settlement.status, detail="refused as stale, and unreadable"
            )
        found = self._adapter.read_probe(operation, answer)
        if found.verdict is not ProbeVerdict.APPLIED:
            return settlement
        ours = Settlement(
            outcome=Outcome.ALREADY_AT_TARGET,
            status=settlement.status,
            reference=found.reference,
            version=found.version,
            detail="refused as stale, yet the chart carries our mark: it was delivered twice",
            body=found.body,
        )
        return self._with_proof(operation, ours)

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
            raise _unreadable(answer)
        return statement


def _headers(request: Request, trace: Trace, token: str | None) -> Mapping[str, str]:
    headers = {
        "Accept": "application/fhir+json",
        "X-Correlation-Id": trace.correlation_id,
        "X-Request-Id": trace.request_id,
        **request.headers,
    }
    if trace.traceparent is not None:
        headers["traceparent"] = trace.traceparent
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _unreadable(answer: Answer) -> EhrUnavailableError | NeedsPersonError:
    """A 5xx, or a success that is no FHIR (a gateway's page), says that the EHR is away; a 4xx is about this resource."""
    if not 400 <= answer.status < 500:
        return EhrUnavailableError("outage")
    return NeedsPersonError(
        "not_readable", f"The EHR refuses to show what the command is about (HTTP {answer.status})."
    )
