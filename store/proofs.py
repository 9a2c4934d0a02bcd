"""Commands that wait for proof, and the moves that proof makes; see :mod:`canonical.proving`. It judges nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from canonical.events import Move, move
from canonical.lifecycle import State, Trigger
from canonical.proving import Evidence, Finding, Unproven, Written
from canonical.settling import root_taken_back
from store.columns import open_and, unindexed
from store.database import rows, transaction
from store.healing import load_command, stored_operations
from store.moves import apply_move, take_back_root
from store.part_compensations import part_undone

_WRITTEN = f"""
SELECT o.seq, o.reference, o.version_written, c.state_since, clock_timestamp() AS now
  FROM commands c JOIN operations o ON o.command_id = c.id
 WHERE c.id = %(command)s AND {unindexed("c.state")} = 'applied' ORDER BY o.seq
"""
_OPERATIONS_PROVEN = "UPDATE operations SET state = 'verified' WHERE command_id = %(command)s"
_POSTPONE = f"""
UPDATE commands SET due_at = clock_timestamp() + %(wait)s
 WHERE id = %(command)s AND {unindexed("state")} = 'applied' AND event_seq = %(event_seq)s
"""
_FOLLOWERS = f"""
SELECT EXISTS (SELECT 1 FROM commands WHERE lane_id = %(lane)s AND {open_and("= 'ready'")}) AS waiting
"""

#: What a failed proof is called, by what was found; the worst first.
_REASONS = {
    Finding.DIFFERENT: "read-back-differs",
    Finding.UNREADABLE: "read-back-unreadable",
    Finding.NOT_SEEN: "not-visible",
}


class Proofs:
    """Fills :class:`canonical.proving.ProofStore`; ``actor`` names this process in events. Thread-safe."""

    def __init__(self, engine: Engine, *, actor: str) -> None:
        """Work on ``engine``."""
        self._engine, self._actor = engine, actor

    def look(self, command: UUID) -> Unproven | None:
        with transaction(self._engine) as connection:
            found = rows(connection, _WRITTEN, {"command": command})
            if not found:
                return None
            operations = {item.seq: item for item in stored_operations(connection, command)}
            written = tuple(
                Written(operation=operations[row["seq"]], reference=row["reference"], version=row["version_written"])
                for row in found
            )
            return Unproven(
                command=load_command(connection, command),
                written=written,
                since=found[0]["state_since"],
                now=found[0]["now"],
            )

    def prove(self, unproven: Unproven, evidence: list[Evidence]) -> bool:
        step = move(State.APPLIED, Trigger.PROVEN, versions=[item.version for item in evidence])
        with transaction(self._engine) as connection:
            if not self._make(connection, unproven, step):
                return False
            rows(connection, _OPERATIONS_PROVEN, {"command": unproven.command.id})
            root = root_taken_back(unproven.command)
            if root is not None:
                take_back_root(connection, root, by=unproven.command.id, actor=self._actor)
            if unproven.command.undoes is not None:
                part_undone(connection, unproven.command.id, actor=self._actor)
            return True

    def fail(self, unproven: Unproven, evidence: list[Evidence]) -> bool:
        findings = {item.finding for item in evidence}
        reason = next((reason for finding, reason in _REASONS.items() if finding in findings), "not-visible")
        fields = sorted({name for item in evidence for name in item.fields})
        step = move(State.APPLIED, Trigger.PROOF_FAILED, reason, fields=fields)
        with transaction(self._engine) as connection:
            return self._make(connection, unproven, step, case="proof_failed")

    def _make(
        self, connection: psycopg.Connection[Any], unproven: Unproven, step: Move, *, case: str | None = None
    ) -> bool:
        command = unproven.command
        return apply_move(connection, command.id, step, actor=self._actor, case=case, expected_seq=command.event_seq)

    def postpone(self, unproven: Unproven, wait: timedelta) -> None:
        command = unproven.command
        with transaction(self._engine) as connection:
            rows(connection, _POSTPONE, {"wait": wait, "command": command.id, "event_seq": command.event_seq})

    def has_followers(self, lane_id: int) -> bool:
        with transaction(self._engine) as connection:
            return bool(rows(connection, _FOLLOWERS, {"lane": lane_id})[0]["waiting"])
