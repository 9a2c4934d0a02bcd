"""Which fields a reviewer picks, and what goes along with their picks: who said it and when follows what was said."""

from __future__ import annotations

from collections.abc import Mapping

from canonical.policy import ActionPolicy
from canonical.review_desk import FieldPick, Pick
from reconcile.review.look import Look


def to_pick(look: Look, policy: ActionPolicy) -> tuple[str, ...]:
    """Return the fields that are decided one by one: what the author states and would change.

    What only says who, when and from where is not asked for as long as something of more weight is.
    """
    stated = look.command.envelope.action.as_json()
    asked = [field for field in look.comparison.author_fields if field.name in stated]
    weighty = [field.name for field in asked if policy.group(field.group).significance == "high"]
    return tuple(weighty or [field.name for field in asked])


def with_followers(picks: Mapping[str, FieldPick], look: Look, policy: ActionPolicy) -> dict[str, FieldPick]:
    """Return ``picks`` and one for every field that goes along: with the chart if the chart is kept in all, else as proposed."""
    stated = look.command.envelope.action.as_json()
    asked = to_pick(look, policy)
    along = Pick.CHART if picks and all(pick.pick is Pick.CHART for pick in picks.values()) else Pick.PROPOSAL
    followers = [
        field.name for field in look.comparison.author_fields if field.name in stated and field.name not in asked
    ]
    return {**{name: FieldPick(pick=along) for name in followers}, **picks}
