"""Consents and their past: one row in force, one row for every version it ever had. Not what a consent must cover."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.consent import ConsentTerms
from canonical.errors import FieldError, RefusedError
from canonical.lifecycle import State
from store.columns import OPEN_UNDER_CONSENT
from store.database import rows, transaction

_COLUMNS = "id, reference, patient_key, version, active, purposes, actions, apps, valid_from, valid_until"
_FIND = f"SELECT {_COLUMNS} FROM consents WHERE tenant = %(tenant)s AND reference = %(reference)s"
#: Waits for claims that hold the row (one short transaction each); claims that come later see the new version.
_LOCK = _FIND + " FOR UPDATE"
_INSERT = f"""
INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps, valid_from, valid_until)
VALUES (%(tenant)s, %(reference)s, %(patient_key)s, 1, %(active)s, %(purposes)s, %(actions)s, %(apps)s, %(valid_from)s,
        %(valid_until)s)
ON CONFLICT (tenant, reference) DO NOTHING RETURNING {_COLUMNS}
"""
_CHANGE = f"""
UPDATE consents SET version = version + 1, active = %(active)s, purposes = %(purposes)s, actions = %(actions)s,
       apps = %(apps)s, valid_from = %(valid_from)s, valid_until = %(valid_until)s
 WHERE id = %(id)s RETURNING {_COLUMNS}
"""
_REMEMBER = """
INSERT INTO consent_versions (consent_id, version, tenant, active, purposes, actions, apps, valid_from, valid_until,
                              actor)
VALUES (%(id)s, %(version)s, %(tenant)s, %(active)s, %(purposes)s, %(actions)s, %(apps)s, %(valid_from)s,
        %(valid_until)s, %(actor)s)
"""
_HISTORY = """
SELECT version, active, valid_from, valid_until, actor, at FROM consent_versions
 WHERE consent_id = %(id)s ORDER BY version
"""
#: Sent, or maybe sent: the revocation comes too late for these, and a person may want them taken back.
IN_FLIGHT = (State.SENDING, State.UNKNOWN, State.PENDING_REMOTE, State.APPLIED, State.INCOMPLETE, State.TAKING_BACK)
#: A person has these: in flight once anything was sent, queued before.
WITH_A_PERSON = (State.CONFLICTED, State.IN_REVIEW)
#: Queued under this consent: the gate denies each of them when its turn comes.
QUEUED = (State.AWAITING_APPROVAL, State.READY, State.PARKED)
_OPEN = f"""
SELECT cm.id, cm.state,
       EXISTS (SELECT FROM attempts at WHERE at.command_id = cm.id AND at.kind = 'send') AS was_sent
  FROM commands cm
 WHERE cm.consent_id = %(id)s AND {OPEN_UNDER_CONSENT} AND cm.state = ANY (%(states)s)
 ORDER BY cm.received_at
"""


@dataclass(frozen=True, kw_only=True)
class ConsentVersion:
    """One past or present version of a consent, with who made it and when (UTC)."""

    version: int
    active: bool
    valid_from: datetime
    valid_until: datetime | None
    actor: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """What a revocation met: commands that are or may come to be in the chart, and how many will now not be sent."""

    terms: ConsentTerms
    in_flight: tuple[tuple[UUID, State], ...]
    queued: int


class Consents:
    """The consents of every tenant; each change is one transaction with its history row."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def find(self, tenant: str, reference: str) -> ConsentTerms | None:
        """Return the consent as it stands."""
        with transaction(self._engine) as connection:
            found = rows(connection, _FIND, {"tenant": tenant, "reference": reference})
        return _terms(found[0]) if found else None

    def put(self, tenant: str, terms: ConsentTerms, *, actor: str) -> ConsentTerms:
        """Record ``terms`` (its ``id`` and ``version`` are given here); the same terms again change nothing.

        Raises ``RefusedError`` ``consent-patient-fixed`` when the reference is another patient's.
        """
        with transaction(self._engine) as connection:
            fresh = rows(connection, _INSERT, _parameters(tenant, terms))
            if fresh:
                return _remember(connection, tenant, _terms(fresh[0]), actor)
            standing = _terms(rows(connection, _LOCK, {"tenant": tenant, "reference": terms.reference})[0])
            if standing.patient_key != terms.patient_key:
                error = FieldError(pointer="/patient", code="consent-patient-fixed", detail="another patient's consent")
                raise RefusedError("consent-patient-fixed", "A consent cannot change its patient.", errors=(error,))
            if replace(terms, id=standing.id, version=standing.version) == standing:
                return standing
            return _change(connection, tenant, replace(terms, id=standing.id), actor)

    def revoke(self, tenant: str, reference: str, *, actor: str) -> Revocation | None:
        """End the consent now and say what was already on its way; ``None``: there is no such consent.

        When this returns, no claim can commit under the consent any more.
        """
        with transaction(self._engine) as connection:
            found = rows(connection, _LOCK, {"tenant": tenant, "reference": reference})
            if not found:
                return None
            terms = _terms(found[0])
            if terms.active:
                terms = _change(connection, tenant, replace(terms, active=False), actor)
            states = [state.value for state in (*IN_FLIGHT, *WITH_A_PERSON, *QUEUED)]
            met = rows(connection, _OPEN, {"id": terms.id, "states": states})
        flying = tuple((row["id"], State(row["state"])) for row in met if _may_be_in_the_chart(row))
        return Revocation(terms=terms, in_flight=flying, queued=len(met) - len(flying))

    def history(self, consent_id: int) -> list[ConsentVersion]:
        """Return every version of one consent, oldest first."""
        with transaction(self._engine) as connection:
            return [ConsentVersion(**row) for row in rows(connection, _HISTORY, {"id": consent_id})]


def _may_be_in_the_chart(row: dict[str, Any]) -> bool:
    state = State(row["state"])
    return state in IN_FLIGHT or (state in WITH_A_PERSON and bool(row["was_sent"]))


def _change(connection: psycopg.Connection[Any], tenant: str, terms: ConsentTerms, actor: str) -> ConsentTerms:
    changed = _terms(rows(connection, _CHANGE, _parameters(tenant, terms))[0])
    return _remember(connection, tenant, changed, actor)


def _remember(connection: psycopg.Connection[Any], tenant: str, terms: ConsentTerms, actor: str) -> ConsentTerms:
    rows(connection, _REMEMBER, _parameters(tenant, terms) | {"actor": actor})
    return terms


def _parameters(tenant: str, terms: ConsentTerms) -> dict[str, Any]:
    lists = {name: list(getattr(terms, name)) for name in ("purposes", "actions", "apps")}
    return vars(terms) | lists | {"tenant": tenant}


def _terms(row: dict[str, Any]) -> ConsentTerms:
    lists = {name: tuple(row[name]) for name in ("purposes", "actions", "apps")}
    return ConsentTerms(**(row | lists | {"patient_key": bytes(row["patient_key"])}))
