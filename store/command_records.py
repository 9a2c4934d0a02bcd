"""One command as the desk shows it, and commands by what people search for. Reads only; rights are judged by who asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from canonical import exact_json
from canonical.lifecycle import State
from canonical.review_reads import CommandRecord, FoundCommand, RelatedCommand, SearchTerms
from store.acknowledgements import owed_of
from store.columns import listed
from store.command_reads import IDENTIFIER_CHUNK, IDENTIFIER_SCAN, CommandReads, names_patient
from store.compensation_links import RELATED
from store.database import rows, transaction
from store.patient_terms import commands_of

_ENVELOPES = """
SELECT r.content AS received, d.content AS decided, c.takes_back,
       (SELECT o.version_written FROM operations o WHERE o.command_id = c.id AND o.is_primary ORDER BY o.seq LIMIT 1) AS version
  FROM commands c
  JOIN payloads r ON r.tenant = c.tenant AND r.digest = c.envelope_digest
  LEFT JOIN payloads d ON d.tenant = c.tenant AND d.digest = c.decided_digest AND c.decided_digest <> c.envelope_digest
 WHERE c.tenant = %(tenant)s AND c.id = %(command)s
"""
#: A code that an EHR gives every day is looked for in its newest answers only.
_CODE_SCAN = 5_000
#: Of a command ``c``: it is of one of the patients ``keys``, each at the connection of the same place in ``names``.
PATIENT_CONDITION = f"""c.id IN ({
    commands_of(
        "SELECT m.id, w.key FROM unnest(%(names)s::text[], %(keys)s::bytea[]) AS w (name, key)"
        " JOIN connections m ON m.tenant = %(tenant)s AND m.name = w.name"
    )
})"""
#: Of a command ``c``: its EHR answered with the code ``vendor_code``.
CODE_CONDITION = f"""c.id IN (
        SELECT a.command_id FROM (SELECT command_id FROM attempts WHERE tenant = %(tenant)s AND vendor_code = %(vendor_code)s
                                   ORDER BY id DESC LIMIT {_CODE_SCAN}) a)"""
_CONDITIONS: Mapping[str, str] = {
    "command": "c.id = %(command)s",
    "correlation_id": "c.correlation_id = %(correlation_id)s",
    "patients": PATIENT_CONDITION,
    "vendor_code": CODE_CONDITION,
}
_FIND = """
SELECT c.id, c.state, c.received_at, n.name AS connection, p.content AS envelope,
       (SELECT k.id FROM cases k WHERE k.command_id = c.id AND k.closed_at IS NULL AND k.pool = ANY (%(pools)s)
         ORDER BY k.holds DESC, k.severity, k.id LIMIT 1) AS case_id
  FROM commands c
  JOIN connections n ON n.id = c.connection_id
  JOIN payloads p ON p.tenant = c.tenant AND p.digest = coalesce(c.decided_digest, c.envelope_digest)
 WHERE {where} ORDER BY c.received_at DESC, c.id DESC LIMIT %(limit)s
"""


class StoredCommandRecords:
    """Fills :class:`canonical.review_reads.CommandRecords`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine, self._reads = engine, CommandReads(engine)

    def record(self, tenant: str, command: UUID) -> CommandRecord | None:
        detail = self._reads.detail(tenant, command)
        if detail is None:
            return None
        with transaction(self._engine) as connection:
            told = rows(connection, _ENVELOPES, {"tenant": tenant, "command": command})[0]
            related = rows(connection, RELATED, {"command": command})
            owed = owed_of(connection, tenant, command)
        return CommandRecord(
            detail=detail,
            received=bytes(told["received"]),
            decided=bytes(told["decided"]) if told["decided"] is not None else None,
            takes_back=told["takes_back"],
            version=told["version"],
            owed=owed,
            related=tuple(RelatedCommand(**(row | {"state": State(row["state"])})) for row in related),
        )

    def find(self, tenant: str, terms: SearchTerms, *, pools: tuple[str, ...], limit: int) -> tuple[FoundCommand, ...]:
        names = {"tenant": tenant, "pools": list(pools)}
        if terms.identifier is None:
            return tuple(self._page(terms, names | {"limit": limit}))
        found: list[FoundCommand] = []
        for hit in self._scanned(terms, names):
            if names_patient(exact_json.parse(hit.envelope), terms.identifier):
                found.append(hit)
                if len(found) == limit:
                    break
        return tuple(found)

    def _scanned(self, terms: SearchTerms, names: dict[str, Any]) -> Iterator[FoundCommand]:
        """Yield what the other terms find, a piece at a time: identifiers stand in the content only."""
        last: dict[str, Any] = {}
        for _ in range(IDENTIFIER_SCAN // IDENTIFIER_CHUNK):
            page = self._page(terms, names | last | {"limit": IDENTIFIER_CHUNK})
            yield from page
            if len(page) < IDENTIFIER_CHUNK:
                return
            last = {"after_time": page[-1].received_at, "after_id": page[-1].id}

    def _page(self, terms: SearchTerms, names: dict[str, Any]) -> list[FoundCommand]:
        """Return one page. Only the conditions that are asked for are in the statement, so that each finds its index."""
        asked = {name: value for name, value in vars(terms).items() if value is not None}
        where = ["c.tenant = %(tenant)s", *(_CONDITIONS[name] for name in asked if name in _CONDITIONS)]
        if terms.states is not None:
            where.append(f"c.state IN ({listed(terms.states)})")
        if "after_id" in names:
            where.append("(c.received_at, c.id) < (%(after_time)s, %(after_id)s)")
        patients = {
            "names": [name for name, _ in terms.patients or ()],
            "keys": [key for _, key in terms.patients or ()],
        }
        with transaction(self._engine) as connection:
            found = rows(connection, _FIND.format(where=" AND ".join(where)), asked | patients | names)
        return [
            FoundCommand(**(row | {"state": State(row["state"]), "envelope": bytes(row["envelope"])})) for row in found
        ]
