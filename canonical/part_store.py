"""The port between the desk and what remembers the taking back of parts. No SQL here, and no chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from canonical.admission import Admission
from canonical.case_store import Resolution, Resolved

#: The case that stands beside a command of which a part stands that nobody decided to leave there.
PART_STANDS_CASE = "part_stands"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The ``commands`` that take parts back, in their order, and their lane; none where all was out of the chart already."""

    commands: tuple[UUID, ...]
    lane_id: int | None = None


class PartCompensations(Protocol):
    """What taking back part by part asks of the store. Thread-safe; raises ``StoreUnavailableError``."""

    def begin(
        self, resolution: Resolution, parts: Sequence[tuple[int, Admission]], removed: Sequence[int]
    ) -> Begun | Resolved:
        """Store the decision and give the commands that carry it out, all in one commit, or say why nothing was changed.

        ``parts`` are (the operation's place, what passed the door) in the order in which they are to be done, each after the
        one before it; ``removed`` are the places of what was found out of the chart. Raises ``RefusedError`` as the door does.
        """
        ...

    def due(self, *, limit: int) -> list[UUID]:
        """Return the commands of which nothing is being taken back any more, and which have not ended, the oldest first."""
        ...

    def finish(self, root: UUID) -> bool:
        """End one of these; ``False``: something is under way after all, or somebody ended it."""
        ...
