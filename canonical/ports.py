"""The port between the core and an EHR: what every adapter must offer; no transport, no vendor's way of doing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from canonical.capabilities import Capabilities, Interaction, Landing, Meaning, PreconditionKind, Proof

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from canonical.command import Command
    from canonical.entry_history import EntryHistory
    from canonical.outcome import ProbeResult, Settlement
    from canonical.patient_trail import PatientTrail
    from canonical.remote_change import RemoteChange

__all__ = [
    "Capabilities",
    "Check",
    "ConnectionSettings",
    "Ehr",
    "Fetched",
    "Interaction",
    "Landing",
    "Meaning",
    "Operation",
    "PreconditionKind",
    "Projection",
    "Proof",
    "Resource",
    "Surrounding",
    "Timings",
    "Trace",
    "WireRequest",
]

#: A resource as the EHR gave it: R4 JSON parsed by :mod:`canonical.exact_json`.
Resource = dict[str, Any]
#: A resource in our words: field name → comparable value, the same whatever EHR it came from.
Projection = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One interaction that a command needs, complete: sent as it stands, on every attempt.

    ``body`` is what leaves (bytes); ``path`` where to, relative and encoded, where that is not FHIR's own address;
    ``mark`` our business identifier in it; ``if_match`` the author's
    opaque version; ``if_none_exist`` a search without the leading ``?``; ``rebased`` says that the version came from
    our own read after ``seen`` was found unchanged, which the event must tell. Of a compound, ``seq`` is the place in the
    order of writing, ``placeholder`` the ``urn:uuid:…`` by which later operations refer to what this one writes, and the
    one that ``is_primary`` is what later commands mean when they name this one. ``sent_as`` names the fallback
    (``message``, ``note``, ``task``) where this is not the structured entry that was meant.
    """

    seq: int = 1
    interaction: Interaction
    resource_type: str
    reference: str | None = None
    body: bytes
    mark: str
    if_match: str | None = None
    if_none_exist: str | None = None
    mapping_version: str
    rebased: bool = False
    placeholder: str | None = None
    is_primary: bool = True
    path: str | None = None
    sent_as: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What ties a request to its command at both ends: headers, not content."""

    correlation_id: str
    request_id: str
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class WireRequest:
    """One HTTP request as it would leave, but for its token: ``url`` absolute, ``body`` the bytes (``None``: none)."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A resource read by id: ``resource`` and opaque ``version``, or neither when it is not there (404, 410).

    ``gone``: the EHR says that it was there and was taken out (410).
    """

    resource: Resource | None
    version: str | None = None
    gone: bool = False


@dataclass(frozen=True, kw_only=True)
class Surrounding:
    """What was read of the chart for a command just now.

    ``current``: its target (updates only); ``parts``: the targets of a compound's parts, in their order, ``None`` where one
    creates; ``beside``: the patient's entries that the action asks to see before it is sent.
    """

    current: Fetched | None = None
    parts: tuple[Fetched | None, ...] = ()
    beside: tuple[Resource, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of ``writeback doctor``: ``name``, whether it ``ok``, and what to do otherwise."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Timings:
    """How long one connection may take: the client's own limit for one request and what the EHR declares.

    The sum of ``request``, ``slowest_commit`` and ``search_lag`` plus ``margin`` is the quarantine; the lease outlasts
    a request.
    """

    request: timedelta = timedelta(seconds=30)
    slowest_commit: timedelta = timedelta(seconds=120)
    search_lag: timedelta = timedelta(seconds=60)
    margin: timedelta = timedelta(seconds=5)
    #: Longest time from before the claim to the moment the request leaves.
    send_within: timedelta = timedelta(seconds=5)

    @property
    def leave_within(self) -> timedelta:
        """Half of ``send_within``: the claim's answer has one half, token, connection and first byte have the other."""
        return self.send_within / 2

    @property
    def quarantine(self) -> timedelta:
        """Strictly longer than a request of ours can go on changing the chart or its search."""
        return self.request + self.slowest_commit + self.search_lag + self.margin

    @property
    def lease(self) -> timedelta:
        """A claim's lifetime: sending must begin and end inside it."""
        return self.send_within + self.request + self.margin


class Ehr(Protocol):
    """One connection's EHR: its adapter and the wire to it. Thread-safe; holds no state of any command.

    ``fetch`` and ``probe`` raise :class:`canonical.errors.EhrUnavailableError` when the EHR cannot be read; ``send``
    never raises for what happens on the wire: every failure there is a :class:`canonical.outcome.Settlement`. A resource that the
    EHR will not show us raises ``NeedsPersonError`` of kind ``not_readable``: it must not close the whole connection.
    """

    key: str
    mapping_version: str
    capabilities: Capabilities
    timings: Timings

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        """Read ``Type/id``; a plain read, retried by the wire where that is safe."""
        ...

    def entries(self, resource_type: str, patient: str, trace: Trace) -> tuple[Resource, ...]:
        """Read every entry of a FHIR type that the chart has of ``patient`` (``Patient/id``); raises as :meth:`fetch`."""
        ...

    def fetch_version(self, reference: str, version: str, trace: Trace) -> Fetched | None:
        """Read ``Type/id`` as it was in ``version``; ``None`` where this EHR does not show it. Never raises for that."""
        ...

    def changes(
        self,
        reference: str,
        since_version: str | None,
        seen_at: datetime | None,
        trace: Trace,
        *,
        own_versions: Collection[str] = (),
    ) -> RemoteChange:
        """Return who changed ``Type/id`` since its author looked (``since_version``, ``seen_at`` in UTC), as the EHR tells it.

        ``own_versions`` are those that commands of ours are known to have written. Reads only; what the EHR does not show or
        refuses is said to be not known: it never raises for what happens on the wire.
        """
        ...

    def history(self, reference: str, trace: Trace) -> EntryHistory:
        """Return every version of ``Type/id`` with who made it; the current one alone where this EHR shows no history.

        Raises as :meth:`fetch`; of a history or a Provenance that is refused, ``troubles`` tells.
        """
        ...

    def copies(self, operation: Operation, trace: Trace) -> tuple[str, ...]:
        """Return the entries (``Type/id``) that a create put into the chart: all that carry its mark.

        Where this EHR keeps no mark of ours, all that say the same. Empty for what is no create. Raises as :meth:`fetch`.
        """
        ...

    def trail_of(self, patient: str, trace: Trace) -> PatientTrail:
        """Return where merges of records lead from ``patient`` (``Patient/id``), read anew.

        Never raises for what happens on the wire: the trail ends there.
        """
        ...

    def twins(self, operation: Operation, trace: Trace) -> tuple[str, ...]:
        """Return references (``Type/id``) of entries that already say what ``operation`` would create.

        Asked only where a lost answer could not be looked up by our mark; empty elsewhere. Raises as :meth:`fetch`.
        """
        ...

    def plan(self, command: Command, around: Surrounding) -> Sequence[Operation]:
        """Return the operations of ``command`` in the order of writing, validated; ``around`` was read just now.

        Pure. Raises ``TargetMovedError`` (not as the author saw it), ``NeedsPersonError`` (wrong subject, not ours to
        change, gone…), ``UnsupportedActionError``, ``InvalidPayloadError``.
        """
        ...

    def request(self, operation: Operation) -> WireRequest:
        """Return what :meth:`send` would put on the wire. Pure."""
        ...

    def said(self, operation: Operation) -> Resource:
        """Return the FHIR resource that ``operation`` means to be in the chart. Pure."""
        ...

    def said_on(self, operation: Operation, stored: Resource) -> Resource:
        """Return what the entry ``stored`` will say once ``operation`` is written on it: what it leaves alone stays. Pure."""
        ...

    def send(self, operation: Operation, trace: Trace) -> Settlement:
        """Send ``operation`` once, with its precondition, and classify what came back."""
        ...

    def probe(self, operation: Operation, trace: Trace) -> ProbeResult:
        """Ask whether ``operation`` is in the chart: by its known id, else by our mark. Reads only."""
        ...

    def differences(self, operation: Operation, stored: Resource) -> tuple[str, ...]:
        """Return the canonical fields in which ``stored`` differs from what ``operation`` wrote.

        Pure; what the adapter declares as normalisation does not count.
        """
        ...

    def project(self, resource: Resource) -> Projection:
        """Return a vendor resource in canonical words. Pure."""
        ...

    def fields(self, resource: Resource) -> Projection:
        """Return what a resource says by canonical field as it is written there: for words, never to compare. Pure."""
        ...

    def as_seen(self, seen: Mapping[str, Any], stored: Resource | None = None) -> Projection:
        """Return what an author had on the screen (canonical fields as R4 JSON), in the form of :meth:`project`. Pure.

        With ``stored``, the entry as it is now, a field that differs from it only by what this EHR is known to do to it
        (units, its own codes) is given as the entry says it. A field seen to be empty is ``None``.
        """
        ...

    def version_of(self, resource: Resource) -> str | None:
        """Return the opaque version a resource body states of itself. Pure."""
        ...

    def check(self) -> list[Check]:
        """Compare declared with live capability and granted scopes, for ``writeback doctor``."""
        ...

    def close(self) -> None:
        """Close the connections to the EHR."""
        ...


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings:
    """One EHR endpoint of one tenant, as configured.

    ``auth`` is ``{"kind": "none"}`` (tests only) or a kind of proof and what it needs (``config/connection_auth.py``);
    secrets are named in it, never held. ``options`` are the adapter's own settings. ``max_in_flight`` bounds concurrent requests.
    ``notifications`` is how what the EHR sends us proves itself (``config/notification_auth.py``); empty: nothing is taken.
    """

    tenant: str
    name: str
    adapter: str
    base_url: str
    auth: Mapping[str, str] = field(default_factory=lambda: {"kind": "none"})
    max_in_flight: int = 8
    timings: Timings = field(default_factory=Timings)
    proof: Proof = Proof.READ_BACK
    options: Mapping[str, Any] = field(default_factory=dict)
    notifications: Mapping[str, str] = field(default_factory=dict)
