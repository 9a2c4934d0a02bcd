"""How what an operation does is undone at one EHR, and how far: derived from what its adapter declares. It gives no command.

The same table of ways back stands behind the triage ladder (:func:`canonical.triage.rollback`): an EHR can only narrow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from canonical.action import action_specs
from canonical.capabilities import Way
from canonical.plain_values import words
from canonical.triage import Rollback, rollback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canonical.capabilities import Capabilities


class Means(StrEnum):
    """What a compensation does to the chart. Nothing is ever deleted."""

    #: The entry stays and is marked as entered in error.
    ENTERED_IN_ERROR = "enteredInError"
    #: A new document takes the place of the old one, which stays readable.
    SUPERSEDING_DOCUMENT = "supersedingDocument"
    #: A change of the entry says what is right.
    CORRECTIVE_ENTRY = "correctiveEntry"
    #: The task or the proposed order is cancelled.
    CANCEL_TASK = "cancelTask"
    #: This service can do nothing: a person does it in the EHR.
    NONE = "none"


class Degree(StrEnum):
    """How far it undoes."""

    #: The entry counts no more.
    REVERSIBLE = "reversible"
    #: What counts is made right; what was there goes on being in the chart, or somebody else must agree.
    PARTLY = "partly"
    NOT = "not"


_BY_MEANS = {
    Means.ENTERED_IN_ERROR: "the entry is marked as entered in error",
    Means.CANCEL_TASK: "it is cancelled",
    Means.SUPERSEDING_DOCUMENT: "a new document takes its place; the old one stays readable",
    Means.CORRECTIVE_ENTRY: "a change of the entry makes up for it; what it said before stays in its history",
}
_RUNGS = {
    Degree.REVERSIBLE: Rollback.TAKES_BACK,
    Degree.PARTLY: Rollback.CHANGES_BACK,
    Degree.NOT: Rollback.BY_HAND,
}
_BY_HAND = "This service cannot undo it there: a person does it in the EHR."
_FOR_GOOD = "What takes an entry back is not undone: what should be there again is written anew by its author."


@dataclass(frozen=True, kw_only=True)
class WayBack:
    """One way to undo: by which ``operation`` of the same action (``None``: none), how, how far, and a sentence for people."""

    operation: str | None
    means: Means
    degree: Degree
    sentence: str


def ways_to_undo(can: Capabilities, action_type: str, operation: str) -> tuple[WayBack, ...]:
    """Return the ways back from an operation at the EHR that ``can`` do so much, the farthest first; never empty."""
    found = tuple(_ways(can, action_type, operation))
    return found or (_by_hand(can, action_type, operation),)


def best_way_back(can: Capabilities, action_type: str, operation: str) -> WayBack:
    """Return the way that undoes the most."""
    return ways_to_undo(can, action_type, operation)[0]


def narrowed(ways: tuple[WayBack, ...]) -> Rollback | None:
    """Return the rung of the triage ladder on which the farthest of an EHR's ``ways`` stands; ``None``: they are not known."""
    return _RUNGS[ways[0].degree] if ways else None


def _ways(can: Capabilities, action_type: str, operation: str) -> Iterator[WayBack]:
    spec = action_specs()[action_type]
    if rollback(action_type, operation) is Rollback.BY_HAND:
        return
    if rollback(action_type, operation) is Rollback.TAKES_BACK:
        means = Means.CANCEL_TASK if spec.ended_as == "cancelled" else Means.ENTERED_IN_ERROR
        for name, rule in spec.operations.items():
            if rule.takes_back:
                yield from _offered(can, action_type, name, means)
    for name in spec.undone_by.get(operation, ()):
        own = spec.operations[name].own_entry
        yield from _offered(can, action_type, name, Means.SUPERSEDING_DOCUMENT if own else Means.CORRECTIVE_ENTRY)


def _offered(can: Capabilities, action_type: str, operation: str, means: Means) -> Iterator[WayBack]:
    way = can.support(action_type, operation).way
    if way not in {Way.DIRECT, Way.REVIEW}:
        return
    takes_back = means in {Means.ENTERED_IN_ERROR, Means.CANCEL_TASK}
    staff = ", once the EHR's own staff accept it" if way is Way.REVIEW else ""
    yield WayBack(
        operation=operation,
        means=means,
        degree=Degree.REVERSIBLE if takes_back and way is Way.DIRECT else Degree.PARTLY,
        sentence=f"By {words(operation)}, as a command of its own: {_BY_MEANS[means]}{staff}.",
    )


def _by_hand(can: Capabilities, action_type: str, operation: str) -> WayBack:
    if action_specs()[action_type].operations[operation].takes_back:
        said = _FOR_GOOD
    else:
        # What a vendor's own screen does is said of whole entries: of a change it would say too much.
        whole = rollback(action_type, operation) is Rollback.TAKES_BACK
        told = can.compensations.get(action_type, "") if whole else ""
        said = f"{_BY_HAND} ({told})" if told else _BY_HAND
    return WayBack(operation=None, means=Means.NONE, degree=Degree.NOT, sentence=said)
