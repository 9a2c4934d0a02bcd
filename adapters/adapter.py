"""What one file under ``adapters/`` must offer to be an EHR. Everything in it is pure; sending is ``adapters.ehr``'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical.command import Command
from canonical.outcome import ProbeResult, Settlement
from canonical.ports import Capabilities, Fetched, Operation, Projection, Resource


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request: ``path`` relative to the base URL, encoded, with its query; ``body`` the bytes that leave."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


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

    def plan(self, command: Command, current: Fetched | None, site: Site) -> Sequence[Operation]:
        """Return the operations of ``command``; raises as :meth:`canonical.ports.Ehr.plan`."""
        ...

    def request(self, operation: Operation) -> Request:
        """Return the one request that carries ``operation``, with the strongest guard this EHR has."""
        ...

    def classify(self, operation: Operation, answer: Answer | NoAnswer, now: datetime) -> Settlement:
        """Return what an answer comes to (``now`` is UTC)."""
        ...

    def probe(self, operation: Operation) -> Request:
        """Return the read that asks whether ``operation`` is in the chart."""
        ...

    def read_probe(self, operation: Operation, answer: Answer) -> ProbeResult:
        """Return what a complete answer to :meth:`probe` proves."""
        ...

    def differences(self, operation: Operation, stored: Resource, site: Site) -> tuple[str, ...]:
        """Return the canonical fields in which ``stored`` differs from what ``operation`` wrote."""
        ...

    def project(self, resource: Resource, site: Site) -> Projection:
        """Return a resource in canonical words."""
        ...

    def version_of(self, resource: Resource) -> str | None:
        """Return the opaque version a resource body states of itself."""
        ...
