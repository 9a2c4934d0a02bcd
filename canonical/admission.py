"""The port between judging a command at the door and remembering it: what passed, what was refused. No SQL here."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from canonical import exact_json
from canonical.action import Finding, spec_for
from canonical.consent import ConsentTerms
from canonical.envelope import Envelope
from canonical.errors import FieldError, RefusedError
from canonical.lifecycle import State
from canonical.principal import Principal
from canonical.replay import ReplayOf

#: Tenant of what came without one: a message nobody signed.
UNKNOWN_TENANT = "?"


class BusyError(RefusedError):
    """The door refuses for now; nothing was stored but the refusal. Ask again after ``retry_after``."""

    def __init__(self, code: str, message: str, *, retry_after: timedelta) -> None:
        """Carry how long to wait."""
        super().__init__(code, message, retry="later")
        self.retry_after = retry_after


def patient_key(tenant: str, connection: str, reference: str) -> bytes:
    """Return the SHA-256 that names a patient's lane: tenant, connection and ``Patient/id``, 32 bytes."""
    return _digest(tenant, connection, reference)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def author_digest(envelope: Envelope, tenant: str) -> bytes:
    """Return the SHA-256 that tells two authors of a tenant apart, 32 bytes."""
    author = envelope.author
    identifier = author.identifier
    system, value = (identifier.system or "", identifier.value or "") if identifier else ("", "")
    return _digest(tenant, author.reference or "", system, value)


def duplicate_key(envelope: Envelope, patient: bytes) -> bytes | None:
    """Return the SHA-256 of what makes two new entries the same measurement, or ``None`` when nothing was measured.

    Patient, code, instant (in whatever zone), value and measuring device; two apps may send it under two keys.
    """
    action = envelope.action
    spec = spec_for(action)
    time = spec.clinical_time(action)
    said = action.as_json()
    value = {name: said[name] for name in ("valueQuantity", "component") if said.get(name) is not None}
    if not spec.rule(action).creates or time is None or not value:
        return None
    instants = [str(instant.timestamp()) for instant in time.interval]
    device = exact_json.canonical_bytes(said.get("device")).decode()
    measured = exact_json.canonical_bytes(_plain_numbers(value)).decode()
    code = spec.business_code(action)
    return _digest(patient.hex(), action.type, code, *instants, measured, device)


def _plain_numbers(value: Any) -> Any:
    """Return ``value`` with numbers as text without trailing zeros: 72.5 and 72.50 are one measurement here."""
    if isinstance(value, dict):
        return {name: _plain_numbers(item) for name, item in value.items() if name != "unit"}
    if isinstance(value, list | tuple):
        return [_plain_numbers(item) for item in value]
    return value if isinstance(value, str | bool) or value is None else f"{Decimal(value).normalize():f}"


@dataclass(frozen=True, kw_only=True)
class Admission:
    """A command that passed every check of a door.

    ``raw`` is the JSON to keep (UTF-8 bytes, decimals as written); ``key_hash`` and ``fingerprint`` as in
    :mod:`canonical.idempotency`; ``approval_reason`` is not empty when a person must approve first; each of
    ``findings`` opens a case beside it, one for a series; ``sent_as`` is the fallback that will be needed; ``detail`` goes
    on its first event, without clinical content; ``replay``: it is given in place of another command.
    """

    envelope: Envelope
    raw: bytes
    principal: Principal
    connection_id: int
    consent: ConsentTerms
    key_hash: bytes
    fingerprint: bytes
    author_assurance: str
    correlation_id: str
    traceparent: str | None = None
    approval_reason: str = ""
    findings: tuple[Finding, ...] = ()
    sent_as: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    replay: ReplayOf | None = None

    @property
    def patient_key(self) -> bytes:
        """What names the lane."""
        return patient_key(self.principal.tenant, self.envelope.connection, self.envelope.patient.reference)


@dataclass(frozen=True, kw_only=True)
class KnownCommand:
    """A stored command as far as a receipt tells of it."""

    id: UUID
    fingerprint: bytes
    state: State
    reason: str
    received_at: datetime
    correlation_id: str
    author_assurance: str
    action_type: str
    sent_as: str | None = None
    possible_duplicate_of: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """What the store made of an admission: the command, whether its key was known, and its lane if it is new."""

    command: KnownCommand
    replayed: bool
    lane_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What a door refused: the reason and the fields, never a value.

    ``door`` is ``http`` or ``celery``; ``body`` (bytes) is kept only where no sender may still hold it; with
    ``message_digest`` the same message is kept once.
    """

    tenant: str
    app: str | None
    door: str
    code: str
    errors: tuple[FieldError, ...] = ()
    body: bytes | None = None
    message_digest: bytes | None = None


class AdmissionStore(Protocol):
    """What the doors ask of the store; every method raises ``StoreUnavailableError`` when it cannot be reached."""

    def connection_id(self, tenant: str, name: str) -> int | None:
        """Return the id of the tenant's connection, if there is one."""
        ...

    def known(self, tenant: str, app: str, key_hash: bytes) -> KnownCommand | None:
        """Return the command that this key made, if any."""
        ...

    def consent(self, tenant: str, reference: str) -> ConsentTerms | None:
        """Return the consent as it stands, if there is one."""
        ...

    def accepted(self, tenant: str, app: str, *, within: timedelta) -> tuple[int, timedelta]:
        """Return how many commands the app gave within that time until now, and how long ago the first of them came."""
        ...

    def admit(self, admission: Admission) -> Admitted:
        """Store it durably, or find the command that its key already made.

        Raises ``RefusedError`` (``idempotency-key-reused``, ``target-unknown``, ``predecessor-unknown``), and
        ``StoreUnavailableError`` also when it is unknown whether it was stored.
        """
        ...

    def refuse(self, refusal: Refusal) -> None:
        """Keep what was refused."""
        ...
