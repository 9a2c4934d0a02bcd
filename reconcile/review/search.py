"""Finding commands for people: which terms there are, and what of a hit its finder may see. The reading is the store's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical import exact_json
from canonical.admission import patient_key
from canonical.case_views import SearchHit
from canonical.lifecycle import State
from canonical.review_desk import ReviewError
from canonical.review_reads import CommandRecords, FoundCommand, SearchTerms
from canonical.reviewer import Pool, Reviewer, Right
from canonical.status import STATUS_OF, Status
from reconcile.review.command_desk import may_read
from reconcile.review.desk import require
from reconcile.review.rows import action_words, patient_of

#: Nobody reads more at once: whoever finds as many says more of what they look for.
MOST = 100
_REFERENCE = re.compile(r"Patient/[A-Za-z0-9\-][A-Za-z0-9\-.]{0,63}")


@dataclass(frozen=True, kw_only=True)
class CommandSearch:
    """Searches in ``records``; ``connections`` gives the names of a tenant's connections."""

    records: CommandRecords
    connections: Callable[[str], tuple[str, ...]]

    def search(self, reviewer: Reviewer, terms: Mapping[str, str]) -> tuple[SearchHit, ...]:
        """Return at most :data:`MOST` commands, newest first; raises ``ReviewError`` for terms that find nothing by design."""
        require(reviewer, Right.SEE_ROWS)
        asked = {name: text.strip() for name, text in terms.items() if text.strip()}
        if not asked:
            raise ReviewError(
                "not-possible", f"Say what to look for: at least one of {', '.join(map(_called, _TERMS))}."
            )
        if "patient" in asked and not reviewer.may(Right.SEE_CONTENT):
            raise ReviewError("not-permitted", "You may not see patients, so you cannot search for one.")
        members: dict[str, Any] = {}
        for name, text in asked.items():
            if name not in _TERMS:
                raise ReviewError("not-possible", f"Nothing is found by {_called(name)}.")
            members |= _TERMS[name](text)
        terms_ = SearchTerms(**keyed(reviewer.tenant, self.connections(reviewer.tenant), members))
        pools = tuple(pool.value for pool in (Pool if reviewer.may(Right.OVERSEE) else reviewer.pools))
        found = self.records.find(reviewer.tenant, terms_, pools=pools, limit=MOST)
        hits = [(item, may_read(reviewer, item.envelope)) for item in found]
        # That a patient has restricted content is restricted, too.
        return tuple(_hit(item, shows=shows) for item, shows in hits if shows or "patient" not in asked)


def keyed(tenant: str, connections: tuple[str, ...], members: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``members`` with the patient's lanes: one EHR's ``Patient/1`` is somebody else at another."""
    rest = {name: value for name, value in members.items() if name != "reference"}
    if "reference" not in members:
        return rest
    keys = [(name, patient_key(tenant, name, members["reference"])) for name in connections]
    return rest | {"patients": tuple(keys)}


def _command(text: str) -> dict[str, Any]:
    try:
        return {"command": UUID(text)}
    except ValueError:
        raise ReviewError("not-possible", "This is not the id of a command: copy it whole.") from None


def patient_term(text: str) -> dict[str, Any]:
    """Return how a search names a patient: ``reference``, or ``identifier``; raises ``ReviewError`` for what is neither."""
    if _REFERENCE.fullmatch(text):
        return {"reference": text}
    system, bar, value = text.partition("|")
    if bar and value:
        return {"identifier": (system or None, value)}
    raise ReviewError("not-possible", "Name the patient as Patient/id, or by an identifier as system|value.")


def _status(text: str) -> dict[str, Any]:
    wanted = frozenset(state for state in State if STATUS_OF[state].value == text)
    if not wanted:
        raise ReviewError("not-possible", f"The status is one of {', '.join(status.value for status in Status)}.")
    return {"states": wanted}


_TERMS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "correlation_id": lambda text: {"correlation_id": text},
    "patient": patient_term,
    "status": _status,
    "vendor_code": lambda text: {"vendor_code": text},
    "command": _command,
}


def _called(term: str) -> str:
    return term.replace("_", " ").replace("vendor code", "code of the EHR")


def _hit(found: FoundCommand, *, shows: bool) -> SearchHit:
    envelope = exact_json.parse(found.envelope) if shows else None
    return SearchHit(
        id=found.id,
        words=action_words(envelope) if envelope is not None else "",
        status=STATUS_OF[found.state].value,
        patient=patient_of(envelope) if envelope is not None else None,
        received_at=found.received_at,
        connection=found.connection,
        case_id=found.case_id,
    )
