"""What one file under ``adapters/`` must offer to be an EHR. Everything in it is pure; sending is ``adapters.ehr``'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical.capabilities import Capabilities
from canonical.command import Command
from canonical.outcome import ProbeResult, Settlement
from canonical.ports import Operation, Projection, Resource, Surrounding


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request: ``path`` relative to the base URL, encoded, with its query; ``body`` the bytes that leave.

    ``native``: it goes to the connection's ``native_url`` (an option) instead of its FHIR base. ``token_field``: the member
    of a JSON body in which the token travels, where it is not the ``Authorization`` header's.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    native: bool = False
    token_field: str | None = None


@runtime_checkable
class Adapter(Protocol):
    """How one kind of EHR wants it. ``site`` is the connection it is asked about; nothing is kept between calls."""

    @property
    def key(self) -> str:
        """The name in settings, unique among all files."""
        ...

    @property
    def mapping_version(self) -> str:
        """Journaled with every attempt; raised when the same action is sent differently."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this EHR can do, as data."""
        ...

    def connected(self, site: Site) -> Adapter:
        """Return this adapter as the connection of ``site`` has it, asked once when the connection is opened.

        Raises :class:`canonical.errors.ConfigurationError` naming the option to correct.
        """
        ...

    def plan(self, command: Command, around: Surrounding, site: Site) -> Sequence[Operation]:
        """Return the operations of ``command``; raises as :meth:`canonical.ports.Ehr.plan`."""
        ...

    def request(self, operation: Operation, site: Site) -> Request:
        """Return the one request that carries ``operation``, with the strongest guard this EHR has."""
        ...

    def said(self, operation: Operation, site: Site) -> Resource:
        """Return what ``operation`` says, as the FHIR resource that its reads are compared with."""
        ...

    def said_on(self, operation: Operation, stored: Resource, site: Site) -> Resource:
        """Return what the entry ``stored`` will say once ``operation`` is written on it: what it leaves alone stays."""
        ...

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        """Return what an answer comes to (``now`` is UTC).

        ``CONFLICT`` of any operation makes the wire look into the chart, whether it was our own request that came twice.
        """
        ...

    def probe(self, operation: Operation, site: Site) -> Request:
        """Return the read that asks whether ``operation`` is in the chart."""
        ...

    def read_probe(self, operation: Operation, answer: Answer, site: Site) -> ProbeResult:
        """Return what a complete answer to :meth:`probe` proves."""
        ...

    def twin_query(self, operation: Operation, site: Site) -> Request | None:
        """Return the read that finds entries which already say what ``operation`` would create; ``None``: none is needed."""
        ...

    def read_twins(self, operation: Operation, answer: Answer, site: Site) -> tuple[str, ...]:
        """Return the references of such entries in a complete answer to :meth:`twin_query`.

        Raises ``NeedsPersonError`` ``not_readable`` where the answer cannot tell.
        """
        ...

    def entries_query(self, resource_type: str, patient: str, site: Site) -> Request:
        """Return the read of all entries of a FHIR type that the chart has of ``patient`` (``Patient/id``)."""
        ...

    def differences(self, operation: Operation, stored: Resource, site: Site) -> tuple[str, ...]:
        """Return the canonical fields in which ``stored`` differs from what ``operation`` wrote."""
        ...

    def project(self, resource: Resource, site: Site) -> Projection:
        """Return a resource in canonical words."""
        ...

    def fields(self, resource: Resource) -> Projection:
        """Return what a resource says by canonical field, as it is written there."""
        ...

    def as_seen(self, seen: Mapping[str, Any], stored: Resource | None, site: Site) -> Projection:
        """Return what an author saw in the form of :meth:`project`; see :meth:`canonical.ports.Ehr.as_seen`."""
        ...

    def history_query(self, reference: str, site: Site) -> Request | None:
        """Return the read of all versions of ``Type/id``; ``None``: this EHR does not show them."""
        ...

    def version_query(self, reference: str, version: str, site: Site) -> Request | None:
        """Return the read of one version of ``Type/id``; ``None``: this EHR shows the current one alone."""
        ...

    def provenance_query(self, reference: str, site: Site) -> Request | None:
        """Return the read of the Provenance of ``Type/id``; ``None``: this EHR has none to show."""
        ...

    def version_of(self, resource: Resource) -> str | None:
        """Return the opaque version a resource body states of itself."""
        ...
