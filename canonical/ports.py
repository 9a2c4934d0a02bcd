"""The port between the core and an EHR: what every adapter must offer; no transport, no vendor's way of doing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from canonical.command import Command
    from canonical.outcome import ProbeResult, Settlement

#: A resource as the EHR gave it: R4 JSON parsed by :mod:`canonical.exact_json`.
Resource = dict[str, Any]
#: A resource in our words: field name → comparable value, the same whatever EHR it came from.
Projection = dict[str, Any]


class Interaction(StrEnum):
    """What one request does at the EHR."""

    CREATE = "create"
    UPDATE = "update"


class PreconditionKind(StrEnum):
    """How an EHR lets a writer say which version it means."""

    IF_MATCH = "if-match"
    NONE = "none"


class Proof(StrEnum):
    """What proves a write on this connection."""

    #: The answer's body is the stored resource.
    ANSWER = "answer"
    #: Only a read by id after the answer.
    READ_BACK = "read-back"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an adapter declares of its EHR, as data.

    ``interactions``: (resource type, interaction) pairs that mean there what they say. ``actions``: (action type,
    operation) pairs it can express. ``conditional_create``: ``If-None-Exist`` is honoured. ``slowest_commit`` how long
    after we gave up a write may still land, ``search_lag`` how long after that a search may miss it.
    """

    interactions: frozenset[tuple[str, Interaction]]
    actions: frozenset[tuple[str, str]]
    precondition: PreconditionKind = PreconditionKind.IF_MATCH
    conditional_create: bool = True
    proof: Proof = Proof.READ_BACK
    slowest_commit: timedelta = timedelta(seconds=120)
    search_lag: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One interaction that a command needs, complete: sent as it stands, on every attempt.

    ``body`` is the JSON that leaves (UTF-8 bytes); ``mark`` our business identifier in it; ``if_match`` the author's
    opaque version; ``if_none_exist`` a search without the leading ``?``; ``rebased`` says that the version came from
    our own read after ``seen`` was found unchanged, which the event must tell. Of a compound, ``seq`` is the place in the
    order of writing, ``placeholder`` the ``urn:uuid:…`` by which later operations refer to what this one writes, and the
    one that ``is_primary`` is what later commands mean when they name this one.
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


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What ties a request to its command at both ends: headers, not content."""

    correlation_id: str
    request_id: str
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A resource read by id: ``resource`` and opaque ``version``, or neither when it is not there (404, 410)."""

    resource: Resource | None
    version: str | None = None


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

    def plan(self, command: Command, current: Fetched | None) -> Sequence[Operation]:
        """Return the operations of ``command``, validated; ``current`` is its target as read just now (updates only).

        Pure. Raises ``TargetMovedError`` (not as the author saw it), ``NeedsPersonError`` (wrong subject, not ours to
        change, gone…), ``UnsupportedActionError``, ``InvalidPayloadError``.
        """
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

    ``auth`` is ``{"kind": "none"}`` (tests only) or ``{"kind": "private_key_jwt", "token_url", "client_id", "key_file",
    "alg", "scope"}``. ``options`` are the adapter's own settings. ``max_in_flight`` bounds concurrent requests.
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
