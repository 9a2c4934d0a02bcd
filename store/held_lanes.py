"""Holding a lane: the session advisory lock on a connection outside any pool, kept for one turn.

The lock keeps a paused holder's claim and dies with a killed one; the lease and fence of the lane row do the rest. Nobody
terminates the session of a holder whose process is not proven dead: that would make two senders.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from canonical.boot_clock import boot_seconds
from canonical.case_kinds import CausePart
from canonical.command import Command
from canonical.errors import StoreUnavailableError
from canonical.events import Move
from canonical.lanes import Claim, Continuation, LaneView, Settle
from canonical.lifecycle import Trigger
from canonical.outcome import Settlement
from canonical.patient_trail import PatientTrail
from canonical.ports import Operation
from canonical.settling import instead_of_continuing
from store import claims, continuations, healing, lane_joins, patient_map, settles
from store.columns import open_and, unindexed
from store.database import open_session, rows
from store.lane_views import LANE, LOCK, NEXT, view_from
from store.moves import apply_move

Result = TypeVar("Result")

_CLOSE = """
UPDATE connections SET failures = failures + 1, not_before = greatest(not_before, %(until)s), closed_reason = %(reason)s
 WHERE tenant = %(tenant)s AND name = %(name)s
"""
#: Only the first failure after a success is the command's: one that follows another says that the EHR is away.
_POSTPONE = f"""
WITH k AS (
  UPDATE connections SET failures = 1 WHERE tenant = %(tenant)s AND name = %(name)s AND failures = 0 RETURNING id)
UPDATE commands c SET due_at = greatest(c.due_at, clock_timestamp() + %(wait)s), spent = c.spent + (c.id = %(id)s)::int
  FROM k WHERE c.lane_id = %(lane)s AND {open_and("= 'ready'", "c.state")} RETURNING c.id
"""
_STUMBLE = f"""
UPDATE commands SET stumbles = stumbles + 1 WHERE id = %(id)s AND {unindexed("state")} = 'ready' RETURNING stumbles
"""
#: A settle is worth waiting for: seconds between its repetitions while PostgreSQL restarts or fails over.
_SETTLE_AGAIN = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)


class HeldPostgresLane:
    """One lane under our session lock; see :class:`canonical.lanes.HeldLane`."""

    def __init__(self, session: psycopg.Connection[Any], *, view: LaneView, pid: int, actor: str, url: str) -> None:
        """Wrap the session that holds the lock; ``pid`` is its backend as seen when locking."""
        self.view, self._looked_at = view, boot_seconds()
        self._session, self._pid, self._actor, self._url = session, pid, actor, url

    def now(self) -> datetime:
        return self.view.now + timedelta(seconds=boot_seconds() - self._looked_at)

    def look_again(self) -> LaneView:
        parameters = {"lane": self.view.lane_id}
        with self._session.pipeline():
            lane = self._session.execute(LANE, parameters)
            following = self._session.execute(NEXT.encode(), parameters)
        row = lane.fetchone()
        assert row is not None  # noqa: S101 - lanes are never deleted, and we hold this one
        self.view, self._looked_at = view_from(self.view.lane_id, row, following.fetchone()), boot_seconds()
        return self.view

    def claim(self, command: Command, operation: Operation, rest: Sequence[Operation] = ()) -> Claim | None:
        try:
            return claims.claim(
                self._session, command, operation, rest, fence_seen=self.view.fence, pid=self._pid, actor=self._actor
            )
        except psycopg.OperationalError as error:
            raise StoreUnavailableError("it is unknown whether the claim was stored; nothing was sent") from error

    def settle(self, claim: Claim, outcome: Settle) -> bool:
        try:
            return settles.settle(self._session, claim, outcome, actor=self._actor)
        except psycopg.OperationalError:
            return self._elsewhere(lambda session: settles.settle(session, claim, outcome, actor=self._actor))

    def carry_on(self, claim: Claim, outcome: Settle, following: Operation) -> Claim | Continuation:
        try:
            return continuations.carry_on(self._session, claim, outcome, following, pid=self._pid, actor=self._actor)
        except psycopg.OperationalError:
            # It is unknown whether the next claim was stored, so nothing is sent; the success must be, if it is not.
            stored = self.settle(claim, instead_of_continuing(outcome, Trigger.OPERATION_APPLIED, "claim-unknown"))
            return Continuation.STOPPED if stored else Continuation.LOST

    def record_late(self, claim: Claim, settlement: Settlement) -> None:
        try:
            settles.record_late(self._session, claim, settlement)
        except psycopg.OperationalError:
            self._elsewhere(lambda session: settles.record_late(session, claim, settlement))

    def _elsewhere(self, store: Callable[[psycopg.Connection[Any]], Result]) -> Result:
        """Store on another connection: fence and attempt make the repetition safe, whoever holds the lane by now."""
        last: psycopg.OperationalError | None = None
        for wait in _SETTLE_AGAIN:
            threading.Event().wait(wait)
            try:
                with open_session(self._url) as session:
                    return store(session)
            except psycopg.OperationalError as error:
                last = error
        raise StoreUnavailableError("the outcome could not be stored; a probe will find it out") from last

    def expire(self) -> bool:
        view = self.view
        assert view.in_flight is not None  # noqa: S101 - asked only for what is in flight
        return healing.expire_claim(
            self._session,
            lane_id=view.lane_id,
            command=view.in_flight,
            attempts=view.in_flight_attempts,
            fence_seen=view.fence,
            pid=self._pid,
            actor=self._actor,
        )

    def claim_probe(self) -> Claim | None:
        view = self.view
        assert view.in_flight is not None  # noqa: S101 - asked only for what is in flight
        return healing.claim_probe(
            self._session,
            lane_id=view.lane_id,
            command=view.in_flight,
            attempts=view.in_flight_attempts,
            fence_seen=view.fence,
            pid=self._pid,
        )

    def release_probe(self, claim: Claim, *, wait: timedelta, detail: str) -> None:
        healing.release_probe(self._session, claim, wait=wait, detail=detail)

    def stored_operations(self, command: UUID) -> list[Operation]:
        return healing.stored_operations(self._session, command)

    def load(self, command: UUID) -> Command:
        return healing.load_command(self._session, command)

    def move(
        self, command: Command, step: Move, *, case: str | None = None, known: Mapping[CausePart, str] | None = None
    ) -> bool:
        return apply_move(self._session, command.id, step, actor=self._actor, case=case, known=known)

    def learn(self, trail: PatientTrail, command: UUID | None = None) -> int | None:
        names = {"tenant": self.view.tenant, "connection": self.view.connection}
        line = patient_map.learn(self._session, trail, **names)
        if line is not None and command is not None:
            patient_map.gather(self._session, command, line)
        return line

    def take_merged(self) -> str | None:
        return patient_map.take_merged(self._session, self.view.lane_id)

    def join(self) -> bool:
        return lane_joins.join(self._session, self.view.lane_id)

    def close_connection(self, *, until: datetime, reason: str) -> None:
        names = {"tenant": self.view.tenant, "name": self.view.connection}
        rows(self._session, _CLOSE, names | {"until": until, "reason": reason})

    def postpone(self, command: Command, *, wait: timedelta) -> bool:
        names = {"tenant": self.view.tenant, "name": self.view.connection}
        return bool(rows(self._session, _POSTPONE, names | {"id": command.id, "lane": command.lane_id, "wait": wait}))

    def count_stumble(self, command: Command) -> int:
        found = rows(self._session, _STUMBLE, {"id": command.id})
        return found[0]["stumbles"] if found else 0


class PostgresLanes:
    """The lanes, held through dedicated connections that are lent to one turn at a time; see :class:`canonical.lanes.Lanes`.

    ``url`` must reach PostgreSQL itself, not a transaction pooler; ``actor`` names this process in events.
    """

    def __init__(self, url: str, *, actor: str) -> None:
        """Open nothing yet."""
        self._url, self._actor = url, actor
        self._idle: list[psycopg.Connection[Any]] = []
        self._is_closed = False

    @contextmanager
    def hold(self, lane_id: int) -> Iterator[HeldPostgresLane | None]:
        session = self._take()
        try:
            yield self._lock_and_look(session, lane_id)
            # A session lock is re-entrant and survives ROLLBACK: nothing may be left when the next lane comes.
            session.execute("SELECT pg_advisory_unlock_all()")
        except psycopg.OperationalError as error:
            session.close()
            raise StoreUnavailableError from error
        except BaseException:
            session.close()
            raise
        self._idle.append(session)
        if self._is_closed:
            # A turn that outlived the closing leaves nothing open behind it.
            self.close()

    def _lock_and_look(self, session: psycopg.Connection[Any], lane_id: int) -> HeldPostgresLane | None:
        """Take the lock and look, in one round trip but two statements: one would take its snapshot before the lock."""
        parameters = {"lane": lane_id}
        with session.pipeline():
            lock = session.execute(LOCK, parameters)
            lane = session.execute(LANE, parameters)
            following = session.execute(NEXT.encode(), parameters)
        held, row = lock.fetchone(), lane.fetchone()
        if held is None or not held["locked"] or row is None:
            return None
        view = view_from(lane_id, row, following.fetchone())
        return HeldPostgresLane(session, view=view, pid=held["pid"], actor=self._actor, url=self._url)

    def _take(self) -> psycopg.Connection[Any]:
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                break
            try:
                session.execute("SELECT pg_advisory_unlock_all()")
            except psycopg.Error:
                session.close()
            else:
                return session
        try:
            return open_session(self._url)
        except psycopg.OperationalError as error:
            raise StoreUnavailableError from error

    def close(self) -> None:
        """Close the idle connections; those that are lent out are closed when they come back."""
        self._is_closed = True
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                return
            session.close()
