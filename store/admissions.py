"""The store behind the doors: what they must look up, and the one write they make. Fills a port, judges nothing."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine

from canonical.action import Finding, spec_for, with_parts
from canonical.admission import Admission, Admitted, KnownCommand, Refusal, author_digest, duplicate_key
from canonical.consent import ConsentTerms
from canonical.lifecycle import State
from store.connections import ensure_switches, find_connection
from store.consents import Consents
from store.database import rows, transaction
from store.intake import NewCommand, accept
from store.refusals import Refusals

_KNOWN = """
SELECT id, fingerprint, state, state_reason AS reason, received_at, correlation_id, author_assurance, action_type,
       sent_as, possible_duplicate_of
  FROM commands WHERE tenant = %(tenant)s AND app = %(app)s AND key_hash = %(key_hash)s
"""
_ACCEPTED = """
SELECT count(*) AS n, clock_timestamp() - coalesce(min(received_at), clock_timestamp()) AS age FROM commands
 WHERE tenant = %(tenant)s AND app = %(app)s AND received_at >= clock_timestamp() - %(within)s
"""
_SERIES_CASE = """
SELECT k.id FROM lanes l
  JOIN commands c ON c.lane_id = l.id OR c.home_lane_id = l.id
  JOIN cases k ON k.command_id = c.id AND k.kind = %(kind)s AND k.closed_at IS NULL
  JOIN events e ON e.command_id = c.id AND e.seq = 1
 WHERE l.connection_id = %(connection_id)s AND l.patient_key = %(patient_key)s
   AND e.detail -> 'series' ? %(series)s LIMIT 1
"""


class Admissions:
    """Looks up and stores for the doors; see :class:`canonical.admission.AdmissionStore`. Thread-safe."""

    def __init__(self, engine: Engine, *, refusals: Refusals) -> None:
        """Work on ``engine``; ``refusals`` keeps what was refused."""
        self._engine = engine
        self._consents, self._refusals = Consents(engine), refusals
        # Neither connections nor switches are ever deleted, so an id once seen stays true.
        self._connections: dict[tuple[str, str], int] = {}
        self._switches: dict[tuple[str, str, str, str], tuple[int, ...]] = {}

    def connection_id(self, tenant: str, name: str) -> int | None:
        known = self._connections.get((tenant, name))
        if known is None:
            row = find_connection(self._engine, tenant=tenant, name=name)
            if row is None:
                return None
            known = self._connections[tenant, name] = row.id
        return known

    def known(self, tenant: str, app: str, key_hash: bytes) -> KnownCommand | None:
        with transaction(self._engine) as connection:
            found = rows(connection, _KNOWN, {"tenant": tenant, "app": app, "key_hash": key_hash})
        return _known(found[0]) if found else None

    def consent(self, tenant: str, reference: str) -> ConsentTerms | None:
        return self._consents.find(tenant, reference)

    def accepted(self, tenant: str, app: str, *, within: timedelta) -> tuple[int, timedelta]:
        with transaction(self._engine) as connection:
            row = rows(connection, _ACCEPTED, {"tenant": tenant, "app": app, "within": within})[0]
        return row["n"], row["age"]

    def admit(self, admission: Admission) -> Admitted:
        principal = admission.principal
        accepted = accept(self._engine, self.new_command(admission))
        command = self.known(principal.tenant, principal.app, admission.key_hash)
        assert command is not None  # noqa: S101 - it was committed above, and commands are never deleted
        return Admitted(command=command, replayed=accepted.replayed, lane_id=accepted.lane_id)

    def refuse(self, refusal: Refusal) -> None:
        self._refusals.record(refusal)

    def _switch_ids(self, admission: Admission) -> tuple[int, ...]:
        """Return the switches of the action and of every part: one that is off stops the whole."""
        types = {action.type for action in with_parts(admission.envelope)}
        return tuple(sorted({found for kind in types for found in self._switch_ids_of(admission, kind)}))

    def _switch_ids_of(self, admission: Admission, action_type: str) -> tuple[int, ...]:
        principal, envelope = admission.principal, admission.envelope
        governed = (principal.tenant, envelope.connection, principal.app, action_type)
        known = self._switches.get(governed)
        if known is None:
            tenant, connection, app, action = governed
            known = ensure_switches(self._engine, tenant=tenant, connection=connection, app=app, action=action)
            self._switches[governed] = known
        return known

    def _has_case(self, admission: Admission, finding: Finding) -> bool:
        """Whether an open case of the patient stands for the finding's whole series."""
        if not finding.series:
            return False
        parameters = vars(finding) | {"connection_id": admission.connection_id, "patient_key": admission.patient_key}
        with transaction(self._engine) as connection:
            return bool(rows(connection, _SERIES_CASE, parameters))

    def new_command(self, admission: Admission) -> NewCommand:
        """Return the row that an admission makes, under an id of its own; nothing is stored yet."""
        envelope, principal = admission.envelope, admission.principal
        rule = spec_for(envelope.action).rule(envelope.action)
        target = envelope.target
        patient = admission.patient_key
        cases = tuple(dict.fromkeys(f.kind for f in admission.findings if not self._has_case(admission, f)))
        series = [finding.series for finding in admission.findings if finding.series]
        replay = admission.replay
        return NewCommand(
            id=uuid4(),
            replay_of=replay.family if replay else None,
            sends_stored_of=replay.command if replay and replay.stored else None,
            tenant=principal.tenant,
            app=principal.app,
            connection_id=admission.connection_id,
            patient_key=patient,
            action_type=envelope.action.type,
            operation=envelope.action.operation,
            creates=rule.creates,
            takes_back=rule.takes_back,
            envelope=admission.raw,
            fingerprint=admission.fingerprint,
            key_hash=admission.key_hash,
            correlation_id=admission.correlation_id,
            consent_id=admission.consent.id,
            consent_version=admission.consent.version,
            switch_ids=self._switch_ids(admission),
            author_digest=author_digest(envelope, principal.tenant),
            author_assurance=admission.author_assurance,
            actor=principal.actor,
            traceparent=admission.traceparent,
            approval_required=bool(admission.approval_reason),
            approval_reason=admission.approval_reason,
            target_reference=target.reference if target else None,
            target_command=target.command if target else None,
            after=envelope.after or (),
            priority=envelope.priority,
            not_after=envelope.not_after,
            duplicate_key=duplicate_key(envelope, patient),
            extra_cases=cases,
            sent_as=admission.sent_as,
            received_detail=admission.detail | ({"series": series} if series else {}),
        )


def _known(row: dict[str, Any]) -> KnownCommand:
    return KnownCommand(**(row | {"fingerprint": bytes(row["fingerprint"]), "state": State(row["state"])}))
