"""What a door says to a command before anything is stored: every reason to refuse it, for doors and previews alike.

Nothing is stored and no EHR is asked here. Whether the app may say this at all is judged first (``check_authority``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from canonical.action import Caveat, Finding, spec_for, with_parts
from canonical.admission import AdmissionStore
from canonical.admission import patient_key as patient_key_of
from canonical.capabilities import Capabilities
from canonical.compensation_catalogue import WayBack, ways_to_undo
from canonical.consent import ConsentTerms, check_consent
from canonical.envelope import Envelope
from canonical.errors import FieldError, RefusedError
from canonical.fallback import check_supported
from canonical.judgement import check_content, check_labels, check_target
from canonical.policy import PolicySet
from canonical.ports import ConnectionSettings
from canonical.principal import Principal
from canonical.risk import person_needed
from canonical.risk_facts import facts_of

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found: ``refusals`` in the order of judging; without any, the consent it rests on and how it must be sent.

    ``sent_as`` is the fallback that the EHR needs; ``approval_reason`` is not empty where a person must approve first.
    """

    refusals: tuple[RefusedError, ...]
    consent: ConsentTerms | None
    sent_as: str | None
    findings: tuple[Finding, ...]
    approval_reason: str

    def passed(self) -> ConsentTerms:
        """Return the consent of a command that nothing speaks against; raises the first refusal."""
        for error in self.refusals:
            raise error
        assert self.consent is not None  # noqa: S101 - its absence is a refusal
        return self.consent


class Judge:
    """Judges envelopes by the tenant's connections and consents. Thread-safe."""

    def __init__(
        self,
        *,
        store: AdmissionStore,
        connections: Mapping[tuple[str, str], ConnectionSettings],
        capabilities: Callable[[ConnectionSettings], Capabilities],
        policies: PolicySet,
    ) -> None:
        """Take collaborators; ``capabilities`` tells what a connection's EHR can do, without asking it."""
        self._store, self._connections, self._capabilities = store, connections, capabilities
        self._policies = policies
        # The digest of every row: taken once, since policies do not change while a process runs.
        self.policy_version = policies.version

    def connection(self, envelope: Envelope, principal: Principal) -> tuple[ConnectionSettings, int]:
        """Return the settings and the id of the connection; raises ``RefusedError`` ``connection-unknown``."""
        settings = self._connections.get((principal.tenant, envelope.connection))
        found = self._store.connection_id(principal.tenant, envelope.connection) if settings else None
        if settings is None or found is None:
            error = FieldError(pointer="/connection", code="connection-unknown", detail="no such connection")
            raise RefusedError("connection-unknown", "This tenant has no such EHR connection.", errors=(error,))
        return settings, found

    def ways_back(self, envelope: Envelope, settings: ConnectionSettings) -> tuple[WayBack, ...]:
        """Return how what ``envelope`` does could be undone at its connection, the farthest first."""
        return ways_to_undo(self._capabilities(settings), envelope.action.type, envelope.action.operation)

    def caveats(self, envelope: Envelope, settings: ConnectionSettings) -> tuple[Caveat, ...]:
        """Return what the receipt of ``envelope`` says of what its connection lets be checked, and of what it does not."""
        return spec_for(envelope.action).caveats(envelope, self._capabilities(settings))

    def judge(self, envelope: Envelope, principal: Principal, settings: ConnectionSettings, now: datetime) -> Judged:
        """Return all that speaks against taking ``envelope`` at ``now`` (UTC), and what is to be known if nothing does."""
        refusals: list[RefusedError] = []

        def found(check: Callable[[], Found]) -> Found | None:
            try:
                return check()
            except RefusedError as error:
                refusals.append(error)
                return None

        found(lambda: check_target(envelope, self._policies.guarded(envelope.action.type)))
        found(lambda: check_labels(envelope, settings.options))
        sent_as = found(lambda: check_supported(envelope, self._capabilities(settings), settings.options))
        found(lambda: check_content(envelope, now))
        consent = found(lambda: self._consent(envelope, principal, now))
        findings = () if refusals else tuple(spec_for(envelope.action).findings(envelope, now))
        return Judged(
            refusals=tuple(refusals),
            consent=consent,
            sent_as=sent_as,
            findings=findings,
            approval_reason=self._approval_reason(
                envelope, findings, authenticated=principal.is_author(envelope.author)
            ),
        )

    def _consent(self, envelope: Envelope, principal: Principal, now: datetime) -> ConsentTerms:
        patient = patient_key_of(principal.tenant, envelope.connection, envelope.patient.reference)
        stored = self._store.consent(principal.tenant, envelope.consent.reference)
        return check_consent(stored, envelope, patient_key=patient, app=principal.app, now=now)

    def _approval_reason(self, envelope: Envelope, findings: tuple[Finding, ...], *, authenticated: bool) -> str:
        """Return why a person must approve first, or nothing: what a part of a compound needs, the whole needs."""
        facts = facts_of(envelope, self._policies, authenticated=authenticated)
        reasons = [
            reason
            for action in with_parts(envelope)
            for reason in person_needed(self._policies.action(action.type), action.operation, facts)
        ]
        reasons += [finding.kind for finding in findings if finding.holds]
        # That a model wrote it is what the reviewer must know first.
        first = next((reason for reason in reasons if reason == "ai-authored"), next(iter(reasons), ""))
        return first.replace("_", "-")
