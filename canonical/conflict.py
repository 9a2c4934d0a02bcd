"""What can stand between a command and the chart, as data, and which decisions answer it. No comparison, and no words.

What is asked of a person, and how soon, is with the kinds of case (``canonical/case_kinds.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from canonical.review_desk import Verb

if TYPE_CHECKING:
    from uuid import UUID


class Conflict(StrEnum):
    """The kinds of conflict."""

    #: The target is not as its author saw it.
    MOVED = "moved"
    #: The target is not in the chart any more.
    GONE = "gone"
    #: The patient's record was merged into another, or closed.
    MERGED_PATIENT = "merged_patient"
    #: Somebody has the entry or its encounter open; the lock ends.
    LOCKED = "locked"
    #: The target is another patient's.
    WRONG_PATIENT = "wrong_patient"
    #: A status would go back: what is final would be preliminary again, an error would hold again.
    STATUS_BACKWARDS = "status_backwards"
    #: A newer command on the same entry is in the chart already: this one is older than it.
    NEWER_APPLIED = "newer_applied"


@dataclass(frozen=True, kw_only=True)
class ConflictKind:
    """One kind. ``cases``: the kinds of case that mean it; ``verbs``: how a person may answer them.

    ``compares``: author, chart and proposal are shown side by side. ``ends_by_itself``: nobody is asked before its time is over.
    """

    kind: Conflict
    cases: frozenset[str]
    verbs: frozenset[Verb]
    compares: bool = False
    ends_by_itself: bool = False


#: What can always be done about a command that has not left.
_ALWAYS = frozenset({Verb.REJECT, Verb.WITHDRAW, Verb.ESCALATE, Verb.ASK_AUTHOR})

CONFLICTS: dict[Conflict, ConflictKind] = {
    one.kind: one
    for one in (
        ConflictKind(
            kind=Conflict.MOVED,
            cases=frozenset({"conflict"}),
            verbs=_ALWAYS | {Verb.RESOLVE},
            compares=True,
        ),
        ConflictKind(
            kind=Conflict.GONE,
            cases=frozenset({"gone"}),
            verbs=_ALWAYS,
        ),
        ConflictKind(
            kind=Conflict.MERGED_PATIENT,
            cases=frozenset({"merged_patient"}),
            verbs=_ALWAYS | {Verb.REMAP},
        ),
        ConflictKind(
            kind=Conflict.LOCKED,
            cases=frozenset({"locked"}),
            verbs=_ALWAYS | {Verb.RESEND},
            ends_by_itself=True,
        ),
        ConflictKind(
            kind=Conflict.WRONG_PATIENT,
            cases=frozenset({"wrong_patient", "identity_mismatch"}),
            verbs=_ALWAYS,
        ),
        ConflictKind(
            kind=Conflict.STATUS_BACKWARDS,
            cases=frozenset({"status_backwards", "status_ended"}),
            verbs=_ALWAYS,
            compares=True,
        ),
        ConflictKind(
            kind=Conflict.NEWER_APPLIED,
            cases=frozenset({"newer_applied"}),
            verbs=_ALWAYS | {Verb.RESOLVE},
            compares=True,
        ),
    )
}
_BY_CASE = {case: kind for kind, row in CONFLICTS.items() for case in row.cases}


def conflict_of(case_kind: str) -> ConflictKind | None:
    """Return the conflict that a kind of case means, ``None`` where it is a question of another sort."""
    kind = _BY_CASE.get(case_kind)
    return CONFLICTS[kind] if kind else None


def overtaken_by(seen_at: datetime | None, applied: Iterable[tuple[UUID, datetime | None]]) -> UUID | None:
    """Return the command in the chart whose author looked at the entry after this one's did (both UTC), the latest of them.

    ``applied`` are the commands of the subject that are in the chart, each with when its author looked; who did not say when
    overtakes nobody and is not overtaken.
    """
    if seen_at is None:
        return None
    newer = [(looked, command) for command, looked in applied if looked is not None and looked > seen_at]
    return max(newer)[1] if newer else None
