"""Which way a change moves the risks that a chart tells of, and whether a person must approve it first. It compares nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonical.policy import Direction, Need
from canonical.reviewer import Licence

if TYPE_CHECKING:
    from canonical.envelope import Author
    from canonical.policy import ActionPolicy, OperationPolicy
    from canonical.three_way import Comparison, FieldDiff

#: Role of an author, as the envelope states it, → the licence that goes with it.
LICENCE_OF: dict[str, Licence] = {
    "nurse": Licence.NURSE,
    "pharmacist": Licence.PHARMACIST,
    "physician": Licence.PRESCRIBER,
    "prescriber": Licence.PRESCRIBER,
}
#: Who may change a high-alert medicine without being asked.
TRUSTED_WITH_HIGH_ALERT = frozenset({Licence.PRESCRIBER, Licence.PHARMACIST})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What of a command bears on who must look at it.

    ``licence`` is its author's, ``authenticated``: they were logged in. ``ai``: a model wrote it, and its action asks for a
    person then. ``high_alert``: classes of high-alert medicines that it names. ``approved``: a person approved exactly what
    would be sent, on the chart as it is.
    """

    licence: Licence | None = None
    authenticated: bool = False
    ai: bool = False
    high_alert: tuple[str, ...] = ()
    approved: bool = False


def licence_of(author: Author) -> Licence | None:
    """Return the licence that goes with an author's role, if any does."""
    return LICENCE_OF.get(author.role)


def direction(policy: ActionPolicy, operation: str, comparison: Comparison | None = None) -> Direction:
    """Return what an operation does to the risks told: by its row, or, where a field is lowered, that they become fewer."""
    lowered = comparison is not None and any(
        field_direction(policy, field) is Direction.REDUCES for field in comparison.author_fields
    )
    return Direction.REDUCES if lowered else policy.operation(operation).direction


def field_direction(policy: ActionPolicy, field: FieldDiff) -> Direction:
    """Return which way the proposal moves one field's risk, where the policy has a scale for it."""
    scale = policy.lowering.get(field.name)
    if scale is None or not field.pending:
        return Direction.NEUTRAL
    return _along(scale, field.current, field.proposed)


def _along(scale: tuple[str, ...], now: Any, then: Any) -> Direction:
    """A code that is not on the scale may be the highest there is: leaving it lowers, and so does saying nothing."""
    if now is None:
        return Direction.ADDS
    if now not in scale or then not in scale:
        return Direction.REDUCES
    return Direction.REDUCES if scale.index(then) > scale.index(now) else Direction.ADDS


def person_needed(
    policy: ActionPolicy, operation: str, facts: Facts, comparison: Comparison | None = None
) -> tuple[str, ...]:
    """Return why a person must approve before anything is sent, nothing where nobody must; what moved is not asked here."""
    row = policy.operation(operation)
    reasons = []
    if row.needs_person is Need.ALWAYS:
        reasons.append("always-a-person")
    if row.needs_person is Need.UNLESS_AUTHORED_BY and not _is_authored_by(row, facts):
        reasons.append("author-not-licensed")
    if (
        policy.protected
        and row.direction is not Direction.REDUCES
        and direction(policy, operation, comparison) is Direction.REDUCES
    ):
        reasons.append("lowers-risk")
    if facts.high_alert and not (facts.authenticated and facts.licence in TRUSTED_WITH_HIGH_ALERT):
        reasons.append("high-alert-medicine")
    if facts.ai:
        reasons.append("ai-authored")
    return tuple(reasons)


def _is_authored_by(row: OperationPolicy, facts: Facts) -> bool:
    return facts.licence in row.unless_authored_by and (facts.authenticated or row.asserted)
