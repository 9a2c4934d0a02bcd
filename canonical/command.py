"""A command: an accepted envelope with its place in a lane; not its row, which belongs to the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from canonical.action import ActionSpec, OperationRule, spec_for

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from canonical.envelope import Envelope
    from canonical.lifecycle import State


@dataclass(frozen=True, kw_only=True)
class Governance:
    """What the gate needs to know now: the consent pinned and in force, switches that are off, the approval given.

    ``approval_digest`` is the digest of the command that a person approved, ``approval_payload`` that of what would leave for it;
    ``None`` when none was asked for or given. ``in_loop``: another system keeps undoing what its app writes to the entry, and
    a person must see to it first.
    """

    consent_version: int
    consent_version_now: int | None
    consent_active: bool
    consent_until: datetime | None = None
    switches_off: tuple[str, ...] = ()
    switches_known: bool = True
    in_loop: bool = False
    approval_required: bool = False
    approval_digest: bytes | None = None
    approval_until: datetime | None = None
    approval_payload: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A person who let the command be sent as it stands: their id and name as the record has them, and when (UTC)."""

    person: str
    name: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class OperationProgress:
    """How far one operation of a command is, as stored.

    ``reference`` is ``Type/id`` of what it wrote or changes, ``version`` the version that it wrote, where the EHR told it.
    """

    seq: int
    state: str
    placeholder: str | None = None
    reference: str | None = None
    version: str | None = None

    @property
    def in_chart(self) -> bool:
        """Whether the EHR confirmed it."""
        return self.state in {"applied", "verified"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One accepted intent.

    ``envelope`` is what is to be sent: as it was received, or as it was decided since; ``digest`` is its SHA-256;
    ``subject`` groups the commands about one resource; ``root`` is
    the command that created the resource (itself for a create); ``lane_seq`` its place in the lane. ``attempts`` counts
    requests and only grows; ``spent`` is what they cost of the retry budget; ``stumbles`` counts turns that died before
    a claim.
    ``known_versions`` lead from what the author saw through our own earlier writes, with nobody else's edit in between.
    ``operations`` are those that were planned when it was first claimed, in order; ``resend_decided``: a person decided
    that it is to be sent, whatever the chart says; ``decided_on`` is the digest (hex) of the entries of the chart that the last
    such decision was about, or empty; ``is_replanned``: what it says was decided anew since its last request, so
    that what was journaled before is not sent again. ``sent_as`` names the fallback by which it goes: its entry itself is not
    in the chart then, and nothing else of the chart has changed. ``approvals`` are those by which it is sent, people's only.
    ``sends_stored_of``: it is sent in place of that command, with the bytes journaled for it. ``undoes``: the command of which
    it takes back one operation.
    ``named_patient`` is the record (``Patient/id``) that its app named, ``known_merged`` whether that is known to be merged into
    another. A person may have decided since that it belongs to that one.
    """

    id: UUID
    tenant: str
    app: str
    connection: str
    lane_id: int
    lane_seq: int
    subject: str
    root: UUID
    state: State
    attempts: int
    spent: int = 0
    stumbles: int = 0
    event_seq: int = 1
    takes_back: bool = False
    envelope: Envelope
    digest: bytes
    governance: Governance
    received_at: datetime
    due_at: datetime
    not_after: datetime | None
    correlation_id: str
    traceparent: str | None = None
    mapping_version: str | None = None
    target_reference: str | None = None
    known_versions: tuple[str, ...] = ()
    operations: tuple[OperationProgress, ...] = ()
    resend_decided: bool = False
    decided_on: str = ""
    is_replanned: bool = False
    sent_as: str | None = None
    approvals: tuple[Approval, ...] = ()
    sends_stored_of: UUID | None = None
    undoes: UUID | None = None
    named_patient: str = ""
    known_merged: bool = False

    @property
    def is_remapped(self) -> bool:
        """Whether it is sent for another record than its app named: the one that was merged into."""
        return bool(self.named_patient) and self.named_patient != self.envelope.patient.reference

    @property
    def patients(self) -> frozenset[str]:
        """The records (``Patient/id``) that its patient has: the one it is sent for and, merged into that, the one named."""
        return frozenset({self.envelope.patient.reference, self.named_patient or self.envelope.patient.reference})

    @property
    def partly_in_chart(self) -> bool:
        """Whether some operation of it is in the chart: it can no longer end as if nothing had been written."""
        return any(operation.in_chart for operation in self.operations)

    @property
    def spec(self) -> ActionSpec:
        """The action's specification."""
        return spec_for(self.envelope.action)

    @property
    def rule(self) -> OperationRule:
        """What the action's operation needs."""
        return self.spec.rule(self.envelope.action)

    def evolve(self, **changes: object) -> Command:
        """Return a copy with ``changes``."""
        return replace(self, **changes)  # type: ignore[arg-type]
