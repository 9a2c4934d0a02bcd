"""What became of a write, as a part of a page that renews itself until there is nothing more to say."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from canonical.case_views import CommandPageView
from canonical.status import Status

#: After these nothing more happens by itself.
ENDED = frozenset({Status.IN_CHART, Status.NOT_WRITTEN, Status.TAKEN_BACK})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a command is; ``mark`` changes with what is said, ``ended`` says that it is final."""

    command_id: UUID
    status: Status
    sentence: str
    next: str
    ended: bool
    proven: bool
    mark: str
    #: The case that is open about it.
    case_id: int | None


def standing_of(view: CommandPageView) -> Standing:
    """Return the standing of a command."""
    status = Status(view.status)
    said = "\0".join((view.status, view.sentence, view.next, str(view.case_id or "")))
    return Standing(
        command_id=view.id,
        status=status,
        sentence=view.sentence,
        next=view.next,
        ended=status in ENDED,
        proven=status is Status.IN_CHART,
        mark=sha256(said.encode()).hexdigest()[:8],
        case_id=view.case_id,
    )
