"""One entry that is to be read, with all that a look at it needs: what of ours went there, what is on its way, what waits."""

from __future__ import annotations

from typing import Any

import psycopg

from canonical.echo import TouchedEntry
from canonical.lifecycle import OPEN
from canonical.ports import Operation
from store.columns import listed
from store.database import rows
from store.healing import stored_operations

_TAKE = """
UPDATE touched_entries t SET due_at = clock_timestamp() + %(lease)s FROM connections k
 WHERE t.id = %(entry)s AND t.due_at <= clock_timestamp() AND k.id = t.connection_id
RETURNING t.id, t.tenant, t.connection_id, t.reference, t.notices, k.name AS connection
"""
#: The subjects that an entry belongs to: that of whoever made or changed it here, and those of what would change it.
SUBJECTS = f"""
SELECT c.lane_id, c.subject FROM links l JOIN commands c ON c.id = l.root
 WHERE l.connection_id = %(connection_id)s AND l.reference = %(reference)s
UNION
SELECT c.lane_id, c.subject FROM commands c
 WHERE c.connection_id = %(connection_id)s AND c.target_reference = %(reference)s AND c.state IN ({listed(OPEN)})
"""
_OF_SUBJECTS = f"""
SELECT b.id, b.lane_id, b.state, b.attempts FROM ({SUBJECTS}) s
  JOIN commands b ON b.lane_id = s.lane_id AND b.subject = s.subject
 WHERE b.state IN ({listed(OPEN)})
"""
#: A write of another subject may be on its way to the entry, as a part of a compound: the lane tells.
_IN_FLIGHT = """
SELECT b.lane_id, b.state FROM commands b WHERE b.lane_id = ANY (%(lanes)s) AND b.state IN ('sending', 'unknown')
"""
_WRITES = f"""
SELECT b.id, o.seq, o.version_written, d.digest, d.version AS accepted_version
  FROM ({SUBJECTS}) s JOIN commands b ON b.lane_id = s.lane_id AND b.subject = s.subject
  JOIN operations o ON o.command_id = b.id AND o.reference = %(reference)s AND o.state IN ('applied', 'verified')
  LEFT JOIN drift_baselines d ON d.command_id = b.id AND d.operation_seq = o.seq AND d.accepted
 ORDER BY b.lane_seq, o.seq
"""
_ANSWERED = """
SELECT DISTINCT a.version FROM attempts a
 WHERE a.command_id = ANY (%(commands)s) AND a.reference = %(reference)s AND a.version IS NOT NULL AND a.kind = 'send'
"""
_AWAITED = """
SELECT o.mark, c.id FROM commands c JOIN operations o ON o.command_id = c.id
 WHERE c.connection_id = %(connection_id)s AND c.state IN ('sending', 'unknown', 'pending_remote')
   AND o.reference IS NULL AND o.resource_type = split_part(%(reference)s, '/', 1)
"""


def take_entry(connection: psycopg.Connection[Any], entry: int, *, lease: Any) -> TouchedEntry | None:
    """Take an entry that is due for ``lease`` (timedelta); ``None``: it is not due, or somebody has it."""
    taken = rows(connection, _TAKE, {"entry": entry, "lease": lease})
    if not taken:
        return None
    names = dict(taken[0])
    writes = rows(connection, _WRITES, names)
    waiting = rows(connection, _OF_SUBJECTS, names)
    lanes = {"lanes": [row["lane_id"] for row in rows(connection, SUBJECTS, names)]}
    in_flight = rows(connection, _IN_FLIGHT, lanes)
    last = writes[-1] if writes else None
    return TouchedEntry(
        **{name: names[name] for name in ("id", "tenant", "connection", "reference", "notices")},
        command=last["id"] if last else None,
        last=_operation(connection, last) if last else None,
        versions=_versions(connection, writes, names),
        accepted=frozenset(bytes(row["digest"]) for row in writes if row["digest"] is not None),
        sending=frozenset(row["lane_id"] for row in in_flight if row["state"] == "sending"),
        unanswered=frozenset(row["lane_id"] for row in in_flight if row["state"] == "unknown"),
        awaited={row["mark"]: row["id"] for row in rows(connection, _AWAITED, names)},
        is_queued=bool(waiting),
    )


def _operation(connection: psycopg.Connection[Any], row: dict[str, Any]) -> Operation:
    return next(item for item in stored_operations(connection, row["id"]) if item.seq == row["seq"])


def _versions(
    connection: psycopg.Connection[Any], writes: list[dict[str, Any]], names: dict[str, Any]
) -> frozenset[str]:
    answered = rows(connection, _ANSWERED, names | {"commands": [row["id"] for row in writes]})
    written = {row["version_written"] for row in writes} | {row["version"] for row in answered}
    return frozenset(version for version in written if version is not None)
