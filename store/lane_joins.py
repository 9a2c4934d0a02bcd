"""Lanes of patients who were merged: marked to be one, and then made one. Neither claims nor sends.

Both are one commit under row locks, taken in the order of the lanes' ids. From the mark on, no claim passes in either lane
(``claims.py``); they are made one when nothing of either is at the EHR, so that there is no moment in which two writes of one
patient are. What stands in them keeps its order of arrival. Lanes that were made one stay so: waiting for each other costs
time only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical.lifecycle import OPEN
from store.columns import listed
from store.database import rows
from store.settles import own_entries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import psycopg
    from psycopg.rows import DictRow

#: The lanes that are one with any of these, or are to be.
_TOGETHER = """
WITH RECURSIVE part(id) AS (
  SELECT id FROM lanes WHERE id = ANY (%(lanes)s)
  UNION
  SELECT n.id FROM part p CROSS JOIN LATERAL (
    SELECT up.joins AS id FROM lanes up WHERE up.id = p.id AND up.joins IS NOT NULL
    UNION ALL SELECT down.id FROM lanes down WHERE down.joins = p.id) n)
SELECT id FROM part ORDER BY id
"""
_LOCK = """
SELECT id, joins, joined_at, last_seq, lease_until < clock_timestamp() AS is_free
  FROM lanes WHERE id = ANY (%(lanes)s) ORDER BY id FOR UPDATE
"""
_MARK = "UPDATE lanes SET joins = %(into)s, joining = true WHERE id = %(lane)s"
_HOLD_BACK = "UPDATE lanes SET joining = true WHERE id = %(lane)s"
_SENDING = "SELECT 1 FROM commands WHERE lane_id = ANY (%(lanes)s) AND state = 'sending' LIMIT 1"
#: In the order of arrival, and never out of that of their own lane.
_MOVE = """
WITH arrived AS (
  SELECT id, lane_id, lane_seq, max(received_at) OVER (PARTITION BY lane_id ORDER BY lane_seq) AS at
    FROM commands WHERE lane_id = ANY (%(lanes)s)),
placed AS (SELECT id, row_number() OVER (ORDER BY at, lane_id, lane_seq) AS place FROM arrived),
moved AS (
  UPDATE commands c SET lane_id = %(root)s, lane_seq = %(last_seq)s + p.place,
         home_lane_id = coalesce(c.home_lane_id, nullif(c.lane_id, %(root)s))
    FROM placed p WHERE c.id = p.id RETURNING c.lane_seq)
SELECT coalesce(max(lane_seq), %(last_seq)s) AS last_seq FROM moved
"""
#: A command about an entry that another lane's command made is of that one's subject, as within a lane from the start.
_ONE_SUBJECT = f"""
UPDATE commands f SET subject = r.subject,
       root = CASE WHEN f.action_type || '.' || f.operation = ANY (%(own_entries)s) THEN f.root ELSE r.root END
  FROM links l JOIN commands r ON r.id = l.root
 WHERE f.lane_id = %(root)s AND f.state IN ({listed(OPEN)}) AND l.connection_id = f.connection_id
   AND f.subject = 'ref:' || l.reference AND r.lane_id = f.lane_id AND r.id <> f.id AND f.subject <> r.subject
"""
_LOOPS = "UPDATE write_loops SET lane_id = %(root)s WHERE lane_id = ANY (%(lanes)s)"
_JOINED = """
UPDATE lanes SET joins = %(root)s, joined_at = coalesce(joined_at, clock_timestamp()), joining = false, fence = fence + 1
 WHERE id = ANY (%(joined)s)
"""
#: A new fence: whoever looked at the lane before looks again.
_ROOT = """
UPDATE lanes SET joining = false, fence = fence + 1, last_seq = %(last_seq)s,
       quarantine_until = (SELECT max(l.quarantine_until) FROM lanes l WHERE l.id = ANY (%(lanes)s))
 WHERE id = %(root)s
"""


class LanesChangedError(Exception):
    """Other lanes were joined to these while their locks were taken: roll back, and begin again."""


def locked_together(session: psycopg.Connection[Any], lanes: Collection[int]) -> dict[int, DictRow]:
    """Lock all lanes that are one with any of ``lanes``, in the order of their ids, and return their rows by id.

    Inside the caller's transaction. Raises :class:`LanesChangedError`.
    """
    together = _ids(session, lanes)
    locked = {row["id"]: row for row in rows(session, _LOCK, {"lanes": together})}
    if _ids(session, lanes) != together:
        raise LanesChangedError
    return locked


def _ids(session: psycopg.Connection[Any], lanes: Collection[int]) -> list[int]:
    return [row["id"] for row in rows(session, _TOGETHER, {"lanes": sorted(lanes)})]


def root_of(locked: Mapping[int, Mapping[str, Any]], lane: int) -> int:
    """Return the lane that ``lane`` is one with, or is to be, among ``locked``; itself where there is none."""
    while (into := locked[lane]["joins"]) is not None:
        lane = into
    return lane


def mark(session: psycopg.Connection[Any], locked: dict[int, DictRow], lane: int, into: int) -> None:
    """Mark that ``lane`` is to be one with ``into``, inside the caller's transaction, which ``locked`` both and theirs.

    From its commit on nothing is claimed in either before they are.
    """
    mine, theirs = root_of(locked, lane), root_of(locked, into)
    if mine == theirs:
        return
    rows(session, _MARK, {"lane": mine, "into": theirs})
    rows(session, _HOLD_BACK, {"lane": theirs})
    locked[mine] = {**locked[mine], "joins": theirs}


def join(session: psycopg.Connection[Any], lane: int) -> bool:
    """Make ``lane`` and those that it is marked to be one with one; ``False``: not now, something of them is at the EHR."""
    try:
        with session.transaction():
            return _join(session, lane)
    except LanesChangedError:
        return False


def _join(session: psycopg.Connection[Any], lane: int) -> bool:
    locked = locked_together(session, (lane,))
    root = root_of(locked, lane)
    joined = [one for one in locked if one != root and locked[one]["joined_at"] is None]
    lanes = sorted({*joined, root})
    if not all(locked[one]["is_free"] for one in lanes) or rows(session, _SENDING, {"lanes": lanes}):
        return False
    names = {"root": root, "joined": joined, "lanes": lanes, "last_seq": locked[root]["last_seq"]}
    last = rows(session, _MOVE, names)[0]["last_seq"]
    rows(session, _ONE_SUBJECT, names | {"own_entries": own_entries()})
    rows(session, _LOOPS, names)
    rows(session, _JOINED, names)
    rows(session, _ROOT, names | {"last_seq": last})
    return True
