"""The book of the drift watch: what a look came to, stored with all that follows from it. It judges nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.drift import ALARMS, Finding, Settled, Sight, WatchedWrite, judge
from canonical.drift_plan import DriftPlan
from canonical.events import Move, move
from canonical.lifecycle import State, Trigger
from store.database import rows, transaction
from store.drift_incidents import belongs_to_incident
from store.drift_offers import DriftOffers
from store.drift_writes import take_write
from store.moves import apply_move

#: Whoever holds it stores what was found at the connection: of two findings at once, one is the one too many.
_HOLD = """
INSERT INTO drift_budgets (connection_id, tenant) VALUES (%(connection)s, %(tenant)s)
ON CONFLICT (connection_id) DO UPDATE SET taken = drift_budgets.taken
"""
#: A turn of the lane since the look began may have been ours: then nobody knows whose a difference is.
_UNMOVED = """
SELECT c.connection_id FROM commands c JOIN lanes l ON l.id = c.lane_id
 WHERE c.id = %(command)s AND c.state = 'verified' AND c.event_seq = %(event_seq)s AND l.fence = %(fence)s FOR UPDATE OF c
"""
_CONNECTION = "SELECT connection_id FROM commands WHERE id = %(command)s"
_TALLY = """
INSERT INTO drift_tallies (connection_id, day, finding, tenant, looks)
VALUES (%(connection)s, (timezone('UTC', clock_timestamp()))::date, %(finding)s, %(tenant)s, 1)
ON CONFLICT (connection_id, day, finding) DO UPDATE SET looks = drift_tallies.looks + 1
"""
_FINDING = """
INSERT INTO drift_findings (tenant, connection_id, command_id, finding)
VALUES (%(tenant)s, %(connection)s, %(command)s, %(finding)s)
"""
_BASELINE = """
INSERT INTO drift_baselines (command_id, operation_seq, tenant, version, digest, accepted)
VALUES (%(command)s, %(seq)s, %(tenant)s, %(version)s, %(digest)s, %(accepted)s)
ON CONFLICT (command_id, operation_seq) DO UPDATE SET version = excluded.version, digest = excluded.digest,
       accepted = excluded.accepted, at = clock_timestamp()
"""
_ACCEPT = "UPDATE drift_baselines SET accepted = true, at = clock_timestamp() WHERE command_id = %(command)s"
_PRIMARY = "SELECT seq FROM operations WHERE command_id = %(command)s AND is_primary ORDER BY seq LIMIT 1"
_SCHEDULE = """
UPDATE watched_writes SET step = coalesce(%(step)s::smallint, step), next_look_at = %(at)s::timestamptz,
       seen_at = CASE WHEN %(stands)s THEN %(now)s ELSE seen_at END
 WHERE command_id = %(command)s AND next_look_at IS NOT NULL
"""
_IS_NOTED = "SELECT state_reason = %(reason)s AS is_noted FROM commands WHERE id = %(command)s"
_NOTED = "drift-incident"


class DriftWatchBook(DriftOffers):
    """Fills :class:`canonical.drift.DriftBook`; ``actor`` names this process in events. Thread-safe."""

    def __init__(self, engine: Engine, *, actor: str, plan: DriftPlan) -> None:
        """Work on ``engine``, as ``plan`` says."""
        super().__init__(engine, plan=plan)
        self._actor = actor

    def take(self, command: UUID) -> WatchedWrite | None:
        with transaction(self._engine) as connection:
            return take_write(connection, command)

    def postpone(self, write: WatchedWrite) -> None:
        with transaction(self._engine) as connection:
            self._again(connection, write)

    def settle(self, write: WatchedWrite, sights: list[Sight]) -> Settled:
        finding, command = judge(sights), write.command
        names: dict[str, Any] = {
            "command": command.id,
            "tenant": command.tenant,
            "finding": finding.value,
            "event_seq": command.event_seq,
            "fence": write.fence,
        }
        with transaction(self._engine) as connection:
            names["connection"] = rows(connection, _CONNECTION, names)[0]["connection_id"]
            if finding in ALARMS:
                rows(connection, _HOLD, names)
            if not rows(connection, _UNMOVED, names):
                self._again(connection, write)
                return Settled.OVERTAKEN
            rows(connection, _TALLY, names)
            return self._store(connection, write, sights, finding, names)

    def _store(
        self,
        connection: psycopg.Connection[Any],
        write: WatchedWrite,
        sights: list[Sight],
        finding: Finding,
        names: dict[str, Any],
    ) -> Settled:
        if finding in ALARMS:
            return self._alarm(connection, write, sights, finding, names)
        if finding is Finding.UNREADABLE:
            self._again(connection, write)
        elif finding is Finding.REMOVED:
            self._make(connection, write, Trigger.REMOVED_IN_EHR, "removed-in-ehr", sights)
        else:
            self._next(connection, write)
        if finding in {Finding.EDITED, Finding.NAMELESS}:
            self._keep(connection, write, [sight for sight in sights if sight.is_accepted], accepted=True)
            reason = "edited-since" if finding is Finding.EDITED else "changed-nameless"
            self._make(connection, write, Trigger.CHANGED_SINCE, reason, sights)
        return Settled.SCHEDULED

    def _alarm(
        self,
        connection: psycopg.Connection[Any],
        write: WatchedWrite,
        sights: list[Sight],
        finding: Finding,
        names: dict[str, Any],
    ) -> Settled:
        rows(connection, _FINDING, names)
        is_one_of_many = belongs_to_incident(
            connection, connection_id=names["connection"], command=write.command.id, plan=self._plan
        )
        if not is_one_of_many:
            self._keep(connection, write, [sight for sight in sights if sight.digest is not None], accepted=False)
            self._make(connection, write, Trigger.DRIFT_FOUND, f"drift-{finding}", sights, case=ALARMS[finding])
            return Settled.CASE
        self._again(connection, write)
        if not rows(connection, _IS_NOTED, names | {"reason": _NOTED})[0]["is_noted"]:
            self._make(connection, write, Trigger.CHANGED_SINCE, _NOTED, sights)
        return Settled.INCIDENT

    def _make(
        self,
        connection: psycopg.Connection[Any],
        write: WatchedWrite,
        trigger: Trigger,
        reason: str,
        sights: list[Sight],
        case: str | None = None,
    ) -> None:
        step = move(State.VERIFIED, trigger, reason, **_told(sights))
        self._apply(connection, write, step, case)

    def _apply(self, connection: psycopg.Connection[Any], write: WatchedWrite, step: Move, case: str | None) -> None:
        command = write.command
        moved = apply_move(connection, command.id, step, actor=self._actor, case=case, expected_seq=command.event_seq)
        if not moved:
            msg = f"command {command.id} moved between two statements of one transaction that had checked it"
            raise RuntimeError(msg)

    @staticmethod
    def _keep(connection: psycopg.Connection[Any], write: WatchedWrite, sights: list[Sight], *, accepted: bool) -> None:
        for sight in sights:
            names = {
                "command": write.command.id,
                "tenant": write.command.tenant,
                "seq": sight.seq,
                "version": sight.version,
                "digest": sight.digest,
                "accepted": accepted,
            }
            rows(connection, _BASELINE, names)

    def _again(self, connection: psycopg.Connection[Any], write: WatchedWrite) -> None:
        """Look once more after the plan's pause, in the same step."""
        self._schedule(connection, write, step=write.step, at=write.now + self._plan.again, stands=False)

    def _next(self, connection: psycopg.Connection[Any], write: WatchedWrite) -> None:
        step, at = self._plan.following(write.step, proven_at=write.proven_at, now=write.now) or (None, None)
        self._schedule(connection, write, step=step, at=at, stands=True)

    @staticmethod
    def _schedule(connection: psycopg.Connection[Any], write: WatchedWrite, **names: Any) -> None:
        rows(connection, _SCHEDULE, {"command": write.command.id, "now": write.now, **names})


def _told(sights: list[Sight]) -> dict[str, Any]:
    """Return what an event says of a look: names of fields and opaque versions, no values."""
    return {
        "fields": sorted({name for sight in sights for name in sight.fields}),
        "versions": [sight.version for sight in sights],
        "findings": [sight.finding.value for sight in sights],
    }


def accept_baseline(
    connection: psycopg.Connection[Any], command: UUID, *, tenant: str, version: str | None, digest: bytes
) -> None:
    """Make what a reviewer let stand what later looks compare with: ``digest`` of the command's own entry, the rest as found."""
    rows(connection, _ACCEPT, {"command": command})
    names = {"command": command, "tenant": tenant, "version": version, "digest": digest, "accepted": True}
    seq = rows(connection, _PRIMARY, names)[0]["seq"]
    rows(connection, _BASELINE, names | {"seq": seq})
