"""The port between replaying and what remembers replays and the commands they are of. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from canonical.command import Command
from canonical.outcome import ProbeResult
from canonical.ports import Operation
from canonical.replay import ItemResult, Replay, ReplayItem, Step, TakenItem, Wish


@dataclass(frozen=True, kw_only=True)
class Original:
    """A command that is to be sent again, as it stands.

    ``raw`` is its envelope as JSON bytes (clinical content), as decided where somebody ``revised`` it; ``operations`` those that
    were journaled for it; ``attempted`` every one that was ever sent, with the command it was sent for: itself or another of its
    family; ``wait`` how long a request of theirs may still change the chart; ``family`` the command that all of these stand for;
    ``living`` another of them that did not end without effect; ``resent``: this very replay handed it on before.
    """

    command: Command
    raw: bytes
    reason: str
    author_assurance: str
    revised: bool
    operations: tuple[Operation, ...]
    attempted: tuple[tuple[UUID, Operation], ...]
    wait: timedelta
    family: UUID
    living: UUID | None
    case_id: int | None
    resent: bool


class ReplayBook(Protocol):
    """Replays and their items. Thread-safe; every method raises ``StoreUnavailableError``."""

    def add(self, wish: Wish) -> UUID:
        """Store a replay with the items it selects; raises ``RefusedError`` ``invalid-field``: too many, none, not there."""
        ...

    def find(self, tenant: str, replay: UUID) -> Replay | None:
        """Return one replay."""
        ...

    def items(self, replay: UUID, *, after: int, limit: int) -> tuple[ReplayItem, ...]:
        """Return items in their order, those after number ``after``."""
        ...

    def step(self, tenant: str, replay: UUID, step: Step) -> bool:
        """Make a person's step; ``False``: it is not legal now."""
        ...

    def running(self) -> tuple[Replay, ...]:
        """Return those whose items are to be begun, after giving back what a dead process began."""
        ...

    def park(self, replay: Replay, waits: Mapping[str, str]) -> None:
        """Note on pending items why they wait, by connection name, and take the note off the others."""
        ...

    def take(self, replay: Replay, blocked: Sequence[str]) -> TakenItem | None:
        """Begin one item whose connection is not ``blocked``, within the rate; ``None``: none now. Never the same twice."""
        ...

    def finish(self, item: TakenItem, result: ItemResult) -> bool:
        """Store what became of an item; ``False``: somebody else did meanwhile."""
        ...

    def put_back(self, item: TakenItem, wait: timedelta) -> None:
        """Have an item begun again after ``wait``."""
        ...

    def close(self, replay: Replay) -> bool:
        """End a replay (or its dry run) that has nothing left; return whether it did."""
        ...

    def closed_connections(self, tenant: str) -> Mapping[str, str]:
        """Return connection → why nothing is sent there now: its breaker or a switch."""
        ...

    def original(self, tenant: str, command: UUID, replay: UUID) -> Original:
        """Return what is to be sent again; raises ``LookupError`` for no command of the tenant."""
        ...

    def resend(self, original: Original, item: TakenItem) -> bool:
        """Hand the command itself on; ``False``: something happened to it since it was read."""
        ...

    def found(self, original: Original, item: TakenItem, found: Sequence[tuple[Operation, ProbeResult]]) -> bool:
        """Hand a command that the EHR has on to be proven; ``False`` as :meth:`resend`."""
        ...

    def tell_written(self, original: Original) -> int:
        """Open (or find) the case of a command that ended as not written and is in the chart; return its id."""
        ...
