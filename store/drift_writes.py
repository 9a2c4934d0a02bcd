"""One settled write with all that a look at it needs: where it went, what was accepted since, what else we wrote there."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

import psycopg

from canonical.drift import Baseline, WatchedOperation, WatchedWrite
from canonical.lifecycle import OPEN
from canonical.ports import Operation
from store.columns import listed
from store.database import rows
from store.healing import load_command, stored_operations

#: Whoever comes second with the same hint finds that it was taken.
_TAKE = """
UPDATE watched_writes w SET offered_until = '-infinity' FROM commands c JOIN lanes l ON l.id = c.lane_id
 WHERE w.command_id = %(command)s AND w.offered_until > clock_timestamp() AND c.id = w.command_id AND c.state = 'verified'
RETURNING w.proven_at, w.step, w.seen_at, l.fence, clock_timestamp() AS now
"""
_WRITTEN = """
SELECT o.seq, o.reference, o.version_written, b.version AS baseline_version, b.digest AS baseline_digest
  FROM operations o
  LEFT JOIN drift_baselines b ON b.command_id = o.command_id AND b.operation_seq = o.seq AND b.accepted
 WHERE o.command_id = %(command)s AND o.reference IS NOT NULL AND o.state IN ('applied', 'verified') ORDER BY o.seq
"""
#: Our own writes to the same entries after it, as far as the EHR took them.
_LATER = """
SELECT b.id, o.seq, o.reference, o.version_written FROM commands b JOIN operations o ON o.command_id = b.id
 WHERE b.lane_id = %(lane)s AND b.lane_seq > %(lane_seq)s AND o.reference = ANY (%(references)s)
   AND o.state IN ('applied', 'verified') ORDER BY b.lane_seq, o.seq
"""
#: While something of ours is on its way to the entry nobody can say whose a difference is.
_UNDER_WAY = f"""
SELECT EXISTS (
  SELECT 1 FROM commands b WHERE b.lane_id = %(lane)s AND b.state IN ({listed(OPEN)})
     AND (b.state IN ('sending', 'unknown', 'applied')
          OR (b.subject = %(subject)s AND b.lane_seq > %(lane_seq)s AND b.attempts > 0))) AS under_way
"""


def take_write(connection: psycopg.Connection[Any], command_id: UUID) -> WatchedWrite | None:
    """Take a write that was handed out, for one look; ``None``: it was not, somebody did, or it is not ``verified``."""
    taken = rows(connection, _TAKE, {"command": command_id})
    if not taken:
        return None
    command = load_command(connection, command_id)
    operations = {item.seq: item for item in stored_operations(connection, command_id)}
    written = rows(connection, _WRITTEN, {"command": command_id})
    names = {
        "lane": command.lane_id,
        "lane_seq": command.lane_seq,
        "subject": command.subject,
        "references": [row["reference"] for row in written],
    }
    later, versions = _later(connection, names)
    watched = tuple(
        WatchedOperation(
            operation=operations[row["seq"]],
            reference=row["reference"],
            version=row["version_written"],
            baseline=_baseline(row),
            later=tuple(later[row["reference"]]),
            own_versions=frozenset(versions[row["reference"]]),
        )
        for row in written
    )
    under_way = rows(connection, _UNDER_WAY, names)[0]["under_way"]
    return WatchedWrite(command=command, operations=watched, under_way=under_way, **taken[0])


def _baseline(row: dict[str, Any]) -> Baseline | None:
    if row["baseline_digest"] is None:
        return None
    return Baseline(version=row["baseline_version"], digest=bytes(row["baseline_digest"]))


def _later(
    connection: psycopg.Connection[Any], names: dict[str, Any]
) -> tuple[dict[str, list[Operation]], dict[str, list[str]]]:
    """Return our later operations and the versions that they wrote, by the entry's reference."""
    operations: dict[str, list[Operation]] = defaultdict(list)
    versions: dict[str, list[str]] = defaultdict(list)
    for row in rows(connection, _LATER, names):
        stored = stored_operations(connection, row["id"])
        operations[row["reference"]] += [item for item in stored if item.seq == row["seq"]]
        if row["version_written"] is not None:
            versions[row["reference"]].append(row["version_written"])
    return operations, versions
