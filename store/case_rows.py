"""From rows to :class:`canonical.case_store.StoredCase`: the one select list of cases, and the order of the queue."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from canonical import exact_json
from canonical.case_store import StoredCase
from canonical.errors import FieldError, RefusedError
from canonical.lifecycle import OPEN, State
from canonical.reviewer import Pool
from store.causes import TOGETHER
from store.columns import listed

#: Of ``cases k`` with its command ``c``, connection ``n`` and envelope ``p``.
CASE_COLUMNS = f"""
k.id, k.tenant, k.command_id, k.kind, k.pool, k.severity, k.holds, k.opened_at, k.due_at, k.level, k.rounds, k.version,
k.claimed_by, k.claimed_name, k.claimed_until, k.first_look_at, k.asked_until, k.closed_at, k.closed_reason, k.closed_by,
n.name AS connection, c.app, c.action_type, c.operation, c.state, c.state_reason, c.author_assurance, p.content AS envelope,
(SELECT count(*) FROM commands b WHERE b.lane_id = c.lane_id AND b.subject = c.subject AND b.lane_seq > c.lane_seq
    AND k.holds AND b.state IN ({listed(OPEN)})) AS waiting,
(SELECT w.content FROM case_views v JOIN payloads w ON w.tenant = v.tenant AND w.digest = v.content_digest
  WHERE v.case_id = k.id ORDER BY v.at DESC LIMIT 1) AS last_view,
{TOGETHER} AS together, k.cause, c.approval_required, c.rest_left, c.rest_left_who, clock_timestamp() AS now
"""
CASE_JOINS = """
JOIN commands c ON c.id = k.command_id
JOIN connections n ON n.id = c.connection_id
JOIN payloads p ON p.tenant = c.tenant AND p.digest = coalesce(c.decided_digest, c.envelope_digest)
"""


def case_from(row: dict[str, Any]) -> StoredCase:
    """Return the case of one row of :data:`CASE_COLUMNS`."""
    view = row.pop("last_view")
    told = exact_json.parse(bytes(view)).get("headline") if view is not None else None
    named = {"pool": Pool(row["pool"]), "state": State(row["state"]), "envelope": bytes(row["envelope"])}
    return StoredCase(**(row | named), headline=told or None)


def cursor_of(case: StoredCase) -> str:
    """Return where a page goes on after ``case``; opaque to whoever carries it."""
    text = f"{case.severity} {case.due_at.isoformat()} {case.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(cursor: str) -> tuple[int, datetime, int]:
    """Return severity, due time (UTC) and id of the last case of the page before.

    Raises :class:`RefusedError` ``invalid-field`` for what is no cursor of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        severity, due, case = text.split(" ")
        at, place = datetime.fromisoformat(due), (int(severity), int(case))
    except (ValueError, binascii.Error):
        raise _not_ours() from None
    if at.tzinfo is None:
        raise _not_ours()
    return place[0], at, place[1]


def _not_ours() -> RefusedError:
    error = FieldError(pointer="/cursor", code="invalid-cursor", detail="not a cursor of this queue")
    return RefusedError("invalid-field", "The cursor is none of ours: open the queue anew.", errors=(error,))
