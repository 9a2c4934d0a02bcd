"""The review queue as stored: pages of open cases, one case, claims, what was shown. What was decided: ``resolutions.py``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine

from canonical import exact_json
from canonical.case_store import Resolution, Resolved, StoredCase, StoredDecision, StoredPage, StoredView, WaitingRow
from canonical.case_views import QueueQuery
from canonical.command import Command
from canonical.command_views import TimelineEvent
from canonical.lifecycle import OPEN
from canonical.ports import Operation
from canonical.reviewer import Reviewer
from store.case_rows import CASE_COLUMNS, CASE_JOINS, case_from, cursor_of, position
from store.causes import OF_CAUSE_OF, STANDS_FOR_ALL
from store.columns import listed
from store.command_reads import EVENTS
from store.database import rows, transaction
from store.healing import load_command, stored_operations
from store.late_cases import IS_LATE
from store.resolutions import resolve

#: Of a query only what narrows it is in the statement, so that the plan is one of those conditions and of no others.
_NARROWS: Mapping[str, str] = {
    "kind": "k.kind = %(kind)s",
    "severity": "k.severity = %(severity)s",
    "action_type": "k.action_type = %(action_type)s",
    "connection": "k.connection_id = (SELECT id FROM connections WHERE tenant = %(tenant)s AND name = %(connection)s)",
    "together": OF_CAUSE_OF.strip(),
    "mine": "k.claimed_by = %(mine)s AND k.claimed_until > clock_timestamp()",
    "cursor": """(k.severity, k.due_at, k.id)
        > (%(after_severity)s::smallint, %(after_due)s::timestamptz, %(after_id)s::bigint)""",
}
#: Narrowed by these, one of a cause may be wanted that does not stand for all of it.
_WITHIN_CAUSES = ("together", "mine", "severity", "action_type")
_ORDER = "ORDER BY k.severity, k.due_at, k.id"
#: One branch for each pool, in the order of the index of the queue; two pools in one branch would be sorted whole.
_BRANCH = """(SELECT k.* FROM cases k
   WHERE k.tenant = %(tenant)s AND k.closed_at IS NULL AND k.pool = '{pool}'{where} {order} LIMIT {most})"""
#: The rows of a page first, by the index of the queue; then what each of them needs.
_PAGE = f"""
WITH k AS MATERIALIZED (SELECT k.* FROM ({{branches}}) k {_ORDER} LIMIT {{most}})
SELECT {CASE_COLUMNS} FROM k {CASE_JOINS} {_ORDER}
"""
#: Nobody needs to know how many thousands wait: the count stops, so that the page does not grow with the backlog.
_COUNT = """
SELECT count(*) AS open, count(*) FILTER (WHERE is_late) AS overdue
  FROM (SELECT {late} AS is_late FROM ({branches}) k LIMIT {most}) k
"""
_FIND = f"SELECT {CASE_COLUMNS} FROM cases k {CASE_JOINS} WHERE k.tenant = %(tenant)s AND k.id = %(case)s"
_OPEN_OF = """
SELECT id FROM cases WHERE tenant = %(tenant)s AND command_id = %(command)s AND closed_at IS NULL
 ORDER BY holds DESC, severity, id LIMIT 1
"""
_WAITING = f"""
SELECT b.id, b.received_at, p.content AS envelope, b.takes_back OR b.priority > 1 AS is_urgent
  FROM commands c JOIN commands b ON b.lane_id = c.lane_id AND b.subject = c.subject AND b.lane_seq > c.lane_seq
  JOIN payloads p ON p.tenant = b.tenant AND p.digest = coalesce(b.decided_digest, b.envelope_digest)
 WHERE c.id = %(command)s AND b.state IN ({listed(OPEN)}) ORDER BY b.lane_seq LIMIT 50
"""
_CLAIM = """
UPDATE cases SET claimed_by = %(person)s, claimed_name = %(name)s, claimed_until = clock_timestamp() + %(length)s,
       version = version + 1
 WHERE id = %(case)s AND tenant = %(tenant)s AND closed_at IS NULL
   AND (claimed_by = %(person)s OR claimed_until IS NULL OR claimed_until <= clock_timestamp()) RETURNING id
"""
_RELEASE = """
UPDATE cases SET claimed_by = NULL, claimed_name = NULL, claimed_until = NULL, version = version + 1
 WHERE id = %(case)s AND tenant = %(tenant)s AND claimed_by = %(person)s AND closed_at IS NULL
"""
_ADD_VIEW = """
WITH pl AS (
  INSERT INTO payloads (tenant, digest, content) VALUES (%(tenant)s, %(digest)s, %(content)s) ON CONFLICT DO NOTHING),
kc AS (
  UPDATE cases SET first_look_at = CASE WHEN %(by_person)s THEN coalesce(first_look_at, clock_timestamp()) ELSE first_look_at END,
         rounds = rounds + CASE WHEN %(is_round)s THEN 1 ELSE 0 END
   WHERE id = %(case)s)
INSERT INTO case_views (id, tenant, case_id, shown_to, chart_digest, base_version, content_digest)
VALUES (%(id)s, %(tenant)s, %(case)s, %(shown_to)s, %(chart_digest)s, %(base_version)s, %(digest)s)
"""
_VIEW = """
SELECT v.id, v.case_id, v.shown_to, v.at, v.chart_digest, v.base_version, p.content
  FROM case_views v JOIN payloads p ON p.tenant = v.tenant AND p.digest = v.content_digest
"""
_DECISIONS = """
SELECT d.id, d.verb, d.stage, d.person, d.person_name, d.at, d.reason, d.view_id, p.content
  FROM decisions d LEFT JOIN payloads p ON p.tenant = d.tenant AND p.digest = d.content_digest
 WHERE d.case_id = %(case)s ORDER BY d.id
"""
#: What we last wrote to the entry that a command changes: its author may name our command in place of what they saw.
_WRITTEN_BEFORE = """
SELECT b.id, o.seq FROM commands b JOIN operations o ON o.command_id = b.id AND o.is_primary
 WHERE b.lane_id = %(lane)s AND b.subject = %(subject)s AND b.lane_seq < %(seq)s AND b.state = 'verified'
   AND o.reference = %(reference)s
 ORDER BY b.lane_seq DESC LIMIT 1
"""
#: Shown by no person: what the conflict engine found.
ENGINE = "conflict-engine"


class Cases:
    """Fills :class:`canonical.case_store.CaseStore`. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def page(self, reviewer: Reviewer, query: QueueQuery) -> StoredPage:
        page, names = self.statement(reviewer, query)
        if not page:
            return StoredPage(cases=(), cursor=None, open=0, overdue=0)
        most = QUEUE_COUNTED_TO
        count = _COUNT.format(
            branches=_branches(reviewer, replace(query, cursor=None), most, order=""), most=most, late=IS_LATE
        )
        with transaction(self._engine) as connection:
            found = [case_from(row) for row in rows(connection, page, names)]
            counts = rows(connection, count, names)[0]
        shown = tuple(found[: query.limit])
        cursor = cursor_of(shown[-1]) if len(found) > query.limit else None
        return StoredPage(cases=shown, cursor=cursor, open=counts["open"], overdue=counts["overdue"])

    @staticmethod
    def statement(reviewer: Reviewer, query: QueueQuery) -> tuple[str, dict[str, Any]]:
        """Return the statement of one page and its parameters; an empty one where the reviewer has none of the pools."""
        after = position(query.cursor) if query.cursor else (None, None, None)
        names = {
            **{name: getattr(query, name) for name in ("kind", "severity", "action_type", "connection", "together")},
            **dict(zip(("after_severity", "after_due", "after_id"), after, strict=True)),
            "tenant": reviewer.tenant,
            "mine": reviewer.actor if query.mine else None,
        }
        most = query.limit + 1
        branches = _branches(reviewer, query, most, order=_ORDER)
        return (_PAGE.format(branches=branches, most=most) if branches else ""), names

    def find(self, tenant: str, case_id: int) -> StoredCase | None:
        with transaction(self._engine) as connection:
            found = rows(connection, _FIND, {"tenant": tenant, "case": case_id})
        return case_from(found[0]) if found else None

    def open_case_of(self, tenant: str, command: UUID) -> int | None:
        with transaction(self._engine) as connection:
            found = rows(connection, _OPEN_OF, {"tenant": tenant, "command": command})
        return found[0]["id"] if found else None

    def command(self, command: UUID) -> Command:
        with transaction(self._engine) as connection:
            return load_command(connection, command)

    def operations(self, command: UUID) -> tuple[Operation, ...]:
        with transaction(self._engine) as connection:
            return tuple(stored_operations(connection, command))

    def timeline(self, command: UUID) -> tuple[TimelineEvent, ...]:
        with transaction(self._engine) as connection:
            return tuple(TimelineEvent(**row) for row in rows(connection, EVENTS, {"id": command}))

    def written_before(self, command: Command) -> Operation | None:
        names = {
            "lane": command.lane_id,
            "subject": command.subject,
            "seq": command.lane_seq,
            "reference": command.target_reference,
        }
        with transaction(self._engine) as connection:
            found = rows(connection, _WRITTEN_BEFORE, names)
            written = stored_operations(connection, found[0]["id"]) if found else []
        return next((item for item in written if item.seq == found[0]["seq"]), None)

    def waiting(self, case: StoredCase) -> tuple[WaitingRow, ...]:
        if not case.holds:
            return ()
        with transaction(self._engine) as connection:
            found = rows(connection, _WAITING, {"command": case.command_id})
        return tuple(WaitingRow(**(row | {"envelope": bytes(row["envelope"])})) for row in found)

    def claim(self, case: StoredCase, reviewer: Reviewer, length: timedelta) -> bool:
        with transaction(self._engine) as connection:
            return bool(rows(connection, _CLAIM, _of(case, reviewer) | {"length": length}))

    def release(self, case: StoredCase, reviewer: Reviewer) -> None:
        with transaction(self._engine) as connection:
            rows(connection, _RELEASE, _of(case, reviewer))

    def add_view(
        self,
        case: StoredCase,
        *,
        shown_to: str,
        chart_digest: bytes,
        base_version: str | None,
        content: Mapping[str, Any],
        is_round: bool = False,
    ) -> UUID:
        made, kept = uuid4(), exact_json.canonical_bytes(content)
        names = {
            "id": made,
            "tenant": case.tenant,
            "case": case.id,
            "shown_to": shown_to,
            "by_person": shown_to != ENGINE,
            "chart_digest": chart_digest,
            "base_version": base_version,
            "content": kept,
            "digest": hashlib.sha256(kept).digest(),
            "is_round": is_round,
        }
        with transaction(self._engine) as connection:
            rows(connection, _ADD_VIEW, names)
        return made

    def view(self, tenant: str, view: UUID) -> StoredView | None:
        return self._view("v.tenant = %(tenant)s AND v.id = %(view)s", {"tenant": tenant, "view": view})

    def last_view(self, case: StoredCase, shown_to: str | None = None) -> StoredView | None:
        where = "v.case_id = %(case)s AND (%(shown_to)s::text IS NULL OR v.shown_to = %(shown_to)s)"
        return self._view(where, {"case": case.id, "shown_to": shown_to})

    def _view(self, where: str, names: Mapping[str, Any]) -> StoredView | None:
        with transaction(self._engine) as connection:
            found = rows(connection, f"{_VIEW} WHERE {where} ORDER BY v.at DESC LIMIT 1", names)
        if not found:
            return None
        row = found[0]
        kept = {"chart_digest": bytes(row["chart_digest"]), "content": bytes(row["content"])}
        return StoredView(**(row | kept))

    def decisions(self, case: StoredCase) -> tuple[StoredDecision, ...]:
        with transaction(self._engine) as connection:
            found = rows(connection, _DECISIONS, {"case": case.id})
        return tuple(
            StoredDecision(**(row | {"content": bytes(row["content"]) if row["content"] is not None else None}))
            for row in found
        )

    def resolve(self, resolution: Resolution) -> Resolved:
        return resolve(self._engine, resolution)


#: As many open cases are counted at most.
QUEUE_COUNTED_TO = 1000


def _branches(reviewer: Reviewer, query: QueueQuery, most: int, *, order: str) -> str:
    """Return what selects at most ``most`` of the open cases that a query finds, of each pool that the reviewer has."""
    pools = sorted(pool.value for pool in reviewer.pools if query.pool in {None, pool})
    where = "".join(f" AND {condition}" for name, condition in _NARROWS.items() if getattr(query, name))
    if not any(getattr(query, name) for name in _WITHIN_CAUSES):
        where += f" AND {STANDS_FOR_ALL.strip()}"
    return " UNION ALL ".join(_BRANCH.format(pool=pool, where=where, order=order, most=int(most)) for pool in pools)


def _of(case: StoredCase, reviewer: Reviewer) -> dict[str, Any]:
    return {"case": case.id, "tenant": case.tenant, "person": reviewer.actor, "name": reviewer.name}
