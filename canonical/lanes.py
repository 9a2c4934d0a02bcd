"""The port between moving a command and remembering it: what a turn may do while it holds a lane. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from canonical.case_kinds import CausePart
from canonical.command import Command
from canonical.events import Move
from canonical.lifecycle import State
from canonical.outcome import Settlement
from canonical.patient_trail import PatientTrail
from canonical.ports import Operation


@dataclass(frozen=True, kw_only=True)
class LaneView:
    """What a lane needs, as seen under its lock at ``now`` (the database's clock, UTC).

    ``in_flight`` is a command of the lane in ``sending`` or ``unknown``; ``next`` the command to send, envelope included;
    ``stumbles`` how often sweeps found the lane due and idle; ``failures`` the connection's failures in a row;
    ``taken_late`` that an earlier attempt of ``next`` was taken, by an answer that came after its claim was lost;
    ``joining`` that it is to be made one with another lane before anything is claimed, since their patients were merged;
    ``merge_look_due`` that its patient's record, which was merged, is to be read again.
    """

    lane_id: int
    tenant: str
    connection: str
    now: datetime
    fence: int
    stumbles: int
    failures: int
    lease_free: bool
    quarantine_over: bool
    connection_open: bool
    in_flight: UUID | None
    in_flight_state: State | None
    in_flight_attempts: int
    next: Command | None
    predecessor_ended: bool
    taken_late: bool
    joining: bool = False
    merge_look_due: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A committed claim: the only permission to send; ``fence`` and ``n`` must be given back on settle."""

    lane_id: int
    command_id: UUID
    operation_seq: int
    attempt_id: int
    n: int
    fence: int
    request_id: UUID
    #: Of a probe: the EHR answered success to what is probed, and the answer named nothing.
    said_taken: bool = False


@dataclass(frozen=True, kw_only=True)
class Settle:
    """What to store of an attempt: the move it makes and what follows from it.

    ``refund`` gives the attempt back to the command's budget; ``not_before`` (UTC) closes the connection until then;
    ``journal`` is what the attempt's row says instead of the outcome (a probe's verdict);
    ``due_at`` (UTC) when the target state is next looked at, now by default;
    ``operation_state`` is what becomes of the operation where that is not what becomes of the command.
    """

    move: Move
    settlement: Settlement
    case: str | None = None
    due_at: datetime | None = None
    refund: bool = False
    not_before: datetime | None = None
    closed_reason: str | None = None
    journal: str | None = None
    operation_state: str | None = None


class Continuation(Enum):
    """Why a settle that was to be the next operation's claim as well is none."""

    #: The success is stored; the rest is due later, or a person decides about it.
    STOPPED = auto()
    #: The claim is no longer ours; nothing was moved.
    LOST = auto()


class HeldLane(Protocol):
    """A lane whose session lock we hold; every write of a state in or out of ``sending``/``unknown`` goes through it.

    Each method is one commit. ``claim`` raises ``StoreUnavailableError`` when it is unknown whether it was committed: do
    not send, the lane's next holder finds out. ``settle`` repeats itself on another connection before it raises.
    """

    view: LaneView

    def now(self) -> datetime:
        """Return the database's time (UTC) by the view's and what passed here since: reads may have taken a minute."""
        ...

    def look_again(self) -> LaneView:
        """Look once more under the same lock, and return (and keep) the new view."""
        ...

    def claim(self, command: Command, operation: Operation, rest: Sequence[Operation] = ()) -> Claim | None:
        """Commit the claim; ``None``: the gate or the lane said no, do not send.

        ``rest``: the operations of a compound that will follow, journaled with its first claim.
        """
        ...

    def carry_on(self, claim: Claim, outcome: Settle, following: Operation) -> Claim | Continuation:
        """Store a success and claim the operation ``following`` it, in one commit that passes the gate once more.

        Where the gate says no, the success is stored all the same.
        """
        ...

    def settle(self, claim: Claim, outcome: Settle) -> bool:
        """Store the outcome; ``False``: the claim is no longer ours, nothing was moved."""
        ...

    def record_late(self, claim: Claim, settlement: Settlement) -> None:
        """Keep an answer that came after the claim was lost."""
        ...

    def expire(self) -> bool:
        """Move the lane's ``sending`` command, whose lease ended, to ``unknown`` and start the quarantine."""
        ...

    def claim_probe(self) -> Claim | None:
        """Take the lane for a probe of its ``unknown`` command; ``None``: not now."""
        ...

    def release_probe(self, claim: Claim, *, wait: timedelta, detail: str) -> None:
        """Give the lane back after a probe that could not ask."""
        ...

    def stored_operations(self, command: UUID) -> list[Operation]:
        """Return the command's operations as journaled, bytes included."""
        ...

    def load(self, command: UUID) -> Command:
        """Return the command as it stands."""
        ...

    def move(
        self, command: Command, step: Move, *, case: str | None = None, known: Mapping[CausePart, str] | None = None
    ) -> bool:
        """Make a move that needs no fence; ``False``: somebody else moved it.

        ``known`` is what is known of the cause of ``case``: codes and versions, nothing that says who the patient is.
        """
        ...

    def learn(self, trail: PatientTrail, command: UUID | None = None) -> int | None:
        """Keep what the EHR says of merges of records; an open case of ``command`` stands with the others of its merge.

        Returns the number under which the first of them is known to be merged, ``None`` where it is not.
        """
        ...

    def take_merged(self) -> str | None:
        """Return the record (``Patient/id``) of the lane's patient that is to be read again, ``None``: not now.

        Whatever comes of it, it is not taken again within the hour.
        """
        ...

    def join(self) -> bool:
        """Make the lane one with those that it is marked to be one with; ``False``: something of them is at the EHR, not now."""
        ...

    def close_connection(self, *, until: datetime, reason: str) -> None:
        """Hand out no work for this connection before ``until`` (UTC)."""
        ...

    def postpone(self, command: Command, *, wait: timedelta) -> bool:
        """Count a try on a command that could not be prepared, and put its lane's commands off for ``wait``.

        ``False``: the connection had failed before this, so the fault is hardly the command's; nothing was counted.
        """
        ...

    def count_stumble(self, command: Command) -> int:
        """Count, durably, that a turn begins on a command that may kill it; return the count."""
        ...


class Lanes(Protocol):
    """The lanes of the store."""

    def hold(self, lane_id: int) -> AbstractContextManager[HeldLane | None]:
        """Hold a lane for one turn; yields ``None`` when somebody else holds it."""
        ...
