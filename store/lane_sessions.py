"""Holding a lane: the session advisory lock on a connection outside any pool, and looking at what the lane needs.

The lock keeps a paused holder's claim and dies with a killed one; the lease and fence of the lane row do the rest.
Not the claim itself (``claims.py``).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003 - dataclass field

from canonical.lifecycle import ENDED_WITHOUT_EFFECT, OPEN, State
from store.command_rows import COMMAND_COLUMNS, COMMAND_JOINS, command_from
from store.database import open_session, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from canonical.command import Command


def _listed(states: frozenset[State]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


#: What makes a ready command ``c`` the next of its lane: due, nothing of the lane in flight, nothing open before it.
ELIGIBLE = f"""
c.state = 'ready' AND c.due_at <= clock_timestamp()
AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.lane_id = c.lane_id AND b.state IN ('sending', 'unknown'))
AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.lane_id = c.lane_id AND b.subject = c.subject
                   AND b.lane_seq < c.lane_seq AND b.state IN ({_listed(OPEN)}))
AND NOT EXISTS (SELECT 1 FROM commands b WHERE b.id = ANY (c.after) AND b.state IN ({_listed(OPEN)}))
"""  # noqa: S608 - the states are ours

_LOCK = "SELECT pg_try_advisory_lock(%(lane)s) AS locked, pg_backend_pid() AS pid"

_LANE = """
SELECT l.fence, l.stumbles, l.lease_until < clock_timestamp() AS lease_free,
       l.quarantine_until <= clock_timestamp() AS quarantine_over, k.name AS connection, k.tenant,
       k.not_before <= clock_timestamp() AS connection_open,
       b.id AS in_flight, b.state AS in_flight_state, b.attempts AS in_flight_attempts, clock_timestamp() AS now
  FROM lanes l JOIN connections k ON k.id = l.connection_id
  LEFT JOIN LATERAL (SELECT id, state, attempts FROM commands
                      WHERE lane_id = l.id AND state IN ('sending', 'unknown') LIMIT 1) b ON true
 WHERE l.id = %(lane)s
"""

_NEXT = f"""
SELECT {COMMAND_COLUMNS},
       EXISTS (SELECT 1 FROM commands b
                WHERE ((b.lane_id = c.lane_id AND b.subject = c.subject AND b.lane_seq < c.lane_seq)
                       OR b.id = ANY (c.after))
                  AND b.state IN ({_listed(ENDED_WITHOUT_EFFECT)}) AND b.state_since > c.received_at
                  AND b.state_since > coalesce(
                      (SELECT max(e.at) FROM events e WHERE e.command_id = c.id AND e.trigger = 'resend_decided'),
                      '-infinity')) AS predecessor_ended
  FROM commands c {COMMAND_JOINS}
 WHERE c.lane_id = %(lane)s AND {ELIGIBLE}
 ORDER BY c.priority DESC, c.lane_seq LIMIT 1
"""  # noqa: S608 - composed from our own constants


@dataclass(frozen=True, kw_only=True)
class LaneView:
    """What a lane needs, as seen under its lock."""

    lane_id: int
    tenant: str
    connection: str
    fence: int
    stumbles: int
    lease_free: bool
    quarantine_over: bool
    connection_open: bool
    in_flight: UUID | None
    in_flight_state: State | None
    in_flight_attempts: int | None
    next: Command | None
    predecessor_ended: bool
    pid: int


class LaneSession:
    """One dedicated connection that may hold the locks of lanes; used by one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Wrap an autocommit connection outside any pool."""
        self.connection = connection

    def lock_and_look(self, lane_id: int) -> LaneView | None:
        """Take the lane's lock and look, in one round trip; ``None``: somebody else holds it.

        Two statements, since one would take its snapshot before it had the lock.
        """
        with self.connection.pipeline():
            lock = self.connection.execute(_LOCK, {"lane": lane_id})
            lane = self.connection.execute(_LANE, {"lane": lane_id})
            following = self.connection.execute(_NEXT.encode(), {"lane": lane_id})
        held = lock.fetchone()
        if held is None or not held["locked"]:
            return None
        return self._view(lane_id, held["pid"], lane.fetchone(), following.fetchone())

    def look_again(self, lane_id: int, pid: int) -> LaneView | None:
        """Look once more while the lock is held (``pid`` from the first look)."""
        with self.connection.pipeline():
            lane = self.connection.execute(_LANE, {"lane": lane_id})
            following = self.connection.execute(_NEXT.encode(), {"lane": lane_id})
        return self._view(lane_id, pid, lane.fetchone(), following.fetchone())

    def unlock(self, lane_id: int) -> None:
        """Give the lane's lock back."""
        self.connection.execute("SELECT pg_advisory_unlock(%(lane)s)", {"lane": lane_id})

    def close(self) -> None:
        """Close the session; every lock it held is free."""
        self.connection.close()

    @staticmethod
    def _view(lane_id: int, pid: int, lane: dict[str, Any] | None, following: dict[str, Any] | None) -> LaneView | None:
        if lane is None:
            return None
        state = lane["in_flight_state"]
        return LaneView(
            lane_id=lane_id,
            tenant=lane["tenant"],
            connection=lane["connection"],
            fence=lane["fence"],
            stumbles=lane["stumbles"],
            lease_free=lane["lease_free"],
            quarantine_over=lane["quarantine_over"],
            connection_open=lane["connection_open"],
            in_flight=lane["in_flight"],
            in_flight_state=State(state) if state else None,
            in_flight_attempts=lane["in_flight_attempts"],
            next=command_from(following) if following else None,
            predecessor_ended=bool(following and following["predecessor_ended"]),
            pid=pid,
        )


class LaneSessions:
    """The dedicated connections of one process, lent to one lane turn at a time and kept between turns."""

    def __init__(self, url: str) -> None:
        """Take the address of PostgreSQL itself, not of a transaction pooler."""
        self._url = url
        self._idle: list[LaneSession] = []

    @contextmanager
    def lend(self) -> Iterator[LaneSession]:
        """Yield a session that holds no lock; after an error it is closed, which frees whatever it held."""
        session = self._take()
        try:
            yield session
            # A session lock is re-entrant and survives ROLLBACK: nothing may be left when the next lane comes.
            session.connection.execute("SELECT pg_advisory_unlock_all()")
        except BaseException:
            session.close()
            raise
        self._idle.append(session)

    def _take(self) -> LaneSession:
        while self._idle:
            session = self._idle.pop()
            try:
                rows(session.connection, "SELECT pg_advisory_unlock_all()")
            except Exception:  # noqa: BLE001 - a dead connection is replaced, whatever killed it
                session.close()
            else:
                return session
        return LaneSession(open_session(self._url))

    def close(self) -> None:
        """Close the idle sessions."""
        while self._idle:
            self._idle.pop().close()
