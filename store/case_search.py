"""Cases, open and closed, by what people search for: newest first, a page at a time. Rights are judged by who asks."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from canonical import exact_json
from canonical.case_store import StoredCase
from canonical.errors import FieldError, RefusedError
from canonical.review_reads import CaseTerms, FoundCases
from store.case_rows import CASE_COLUMNS, CASE_JOINS, case_from
from store.command_reads import IDENTIFIER_CHUNK, IDENTIFIER_SCAN, names_patient
from store.command_records import CODE_CONDITION, PATIENT_CONDITION
from store.database import rows, transaction

#: Of the terms only what narrows is in the statement, so that each finds its index.
_CONDITIONS: Mapping[str, str] = {
    "kind": "k.kind = %(kind)s",
    "severity": "k.severity = %(severity)s",
    "connection": "k.connection_id = (SELECT id FROM connections WHERE tenant = %(tenant)s AND name = %(connection)s)",
    "older_than": "k.opened_at <= clock_timestamp() - %(older_than)s::interval",
    "correlation_id": "k.command_id IN (SELECT c.id FROM commands c WHERE c.tenant = %(tenant)s"
    " AND c.correlation_id = %(correlation_id)s)",
    "patients": f"k.command_id IN (SELECT c.id FROM commands c WHERE c.tenant = %(tenant)s AND {PATIENT_CONDITION})",
    "vendor_code": f"k.command_id IN (SELECT c.id FROM commands c WHERE c.tenant = %(tenant)s AND {CODE_CONDITION})",
    "after": "k.id < %(after)s",
}
_CURSOR = re.compile(r"case ([0-9]{1,18})")
_STATES: Mapping[str, str] = {"open": "k.closed_at IS NULL", "closed": "k.closed_at IS NOT NULL"}
_FIND = f"""
WITH k AS MATERIALIZED (SELECT k.* FROM cases k
  WHERE k.tenant = %(tenant)s AND k.pool = ANY (%(pools)s){{where}} ORDER BY k.id DESC LIMIT %(limit)s)
SELECT {CASE_COLUMNS} FROM k {CASE_JOINS} ORDER BY k.id DESC
"""


class StoredCaseSearch:
    """Fills :class:`canonical.review_reads.CaseFinder`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def find_cases(self, tenant: str, terms: CaseTerms, *, pools: Sequence[str], limit: int) -> FoundCases:
        if terms.identifier is None:
            return _page(self._read(tenant, terms, pools, limit + 1), limit)
        return self._named(tenant, terms, pools, limit)

    def _named(self, tenant: str, terms: CaseTerms, pools: Sequence[str], limit: int) -> FoundCases:
        """Read what the other terms find, a piece at a time: identifiers stand in the content only."""
        found: list[StoredCase] = []
        after = terms.cursor
        for _ in range(IDENTIFIER_SCAN // IDENTIFIER_CHUNK):
            piece = self._read(tenant, replace(terms, cursor=after), pools, IDENTIFIER_CHUNK)
            for case in piece:
                if names_patient(exact_json.parse(case.envelope), terms.identifier or (None, "")):
                    found.append(case)
                    if len(found) > limit:
                        return _page(found, limit)
            if len(piece) < IDENTIFIER_CHUNK:
                return FoundCases(cases=tuple(found), cursor=None)
            after = _cursor(piece[-1].id)
        return FoundCases(cases=tuple(found), cursor=after)

    def _read(self, tenant: str, terms: CaseTerms, pools: Sequence[str], limit: int) -> list[StoredCase]:
        after = _position(terms.cursor) if terms.cursor is not None else None
        asked = {name: value for name, value in {**vars(terms), "after": after}.items() if value is not None}
        where = [_CONDITIONS[name] for name in asked if name in _CONDITIONS]
        where += [_STATES[terms.state]] if terms.state in _STATES else []
        names: dict[str, Any] = {
            **asked,
            "names": [name for name, _ in terms.patients or ()],
            "keys": [key for _, key in terms.patients or ()],
            "tenant": tenant,
            "pools": list(pools),
            "limit": limit,
        }
        statement = _FIND.format(where="".join(f" AND {condition}" for condition in where))
        with transaction(self._engine) as connection:
            return [case_from(row) for row in rows(connection, statement, names)]


def _page(found: Sequence[StoredCase], limit: int) -> FoundCases:
    shown = tuple(found[:limit])
    return FoundCases(cases=shown, cursor=_cursor(shown[-1].id) if len(found) > limit else None)


def _cursor(case: int) -> str:
    return base64.urlsafe_b64encode(f"case {case}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error):
        raise _not_ours() from None
    if not (said := _CURSOR.fullmatch(text)):
        raise _not_ours()
    return int(said[1])


def _not_ours() -> RefusedError:
    error = FieldError(pointer="/cursor", code="invalid-cursor", detail="not a cursor of this search")
    return RefusedError("invalid-field", "The cursor is none of ours: search anew.", errors=(error,))
