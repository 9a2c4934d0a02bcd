"""When reviewing asks too much or too little of people, as sentences for whoever answers for the policy. It changes no policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from canonical.case_kinds import case_kind
from canonical.plain_values import words

if TYPE_CHECKING:
    from canonical.case_views import Effort
    from canonical.policy import PolicySet
    from canonical.review_figures import Habit, Pace

#: Commands below which cases in 1000 of them say nothing yet.
ENOUGH_COMMANDS = 100


def budget_of(policies: PolicySet, action_type: str) -> float:
    """Return how many cases in 1000 commands of an action its policy means, or the queue's own where it says nothing."""
    budget = policies.action(action_type).budget
    return policies.queue.budget_per_1000 if budget is None else budget


def owner_of(policies: PolicySet, action_type: str) -> str:
    """Return who answers for an action's policy."""
    return policies.action(action_type).owner or policies.queue.owner


def over_budget(policies: PolicySet, effort: Iterable[Effort]) -> Iterator[str]:
    """Yield a sentence for each action of a connection that makes more cases than its budget."""
    for row in effort:
        if row.per_1000_commands is None or row.budget is None or row.per_1000_commands <= row.budget:
            continue
        yield (
            f"{_title(row.action_type)} on {row.connection}: {row.per_1000_commands:.1f} cases in 1000 commands, and "
            f"{row.budget:.1f} are meant. {_addressed(policies, row.action_type)}"
        )


def asks_for_nothing(policies: PolicySet, habits: Iterable[Habit]) -> Iterator[str]:
    """Yield a sentence for each kind of case that is nearly always decided the same way, with nothing changed."""
    fatigue = policies.queue.fatigue
    for habit in habits:
        if habit.decisions < fatigue.decisions or habit.alike < fatigue.same_of:
            continue
        because = f", because {habit.reason.replace('_', ' ').replace('-', ' ')}" if habit.reason else ""
        yield (
            f"{_title(habit.action_type)}, {case_kind(habit.kind).words}: {habit.alike} of the last {habit.decisions} were "
            f"decided alike and unchanged ({words(habit.verb)}{because}). Does a person need to be asked? "
            f"{_addressed(policies, habit.action_type)}"
        )


def rubber_stamps(policies: PolicySet, paces: Iterable[Pace]) -> Iterator[str]:
    """Yield a sentence for each action that people decide faster than it can be read."""
    fatigue = policies.queue.fatigue
    for pace in paces:
        if pace.decisions < fatigue.rubber_stamp_decisions or pace.seconds >= fatigue.rubber_stamp_seconds:
            continue
        yield (
            f"{_title(pace.action_type)}: half of the last {pace.decisions} decisions took less than {pace.seconds:.1f} "
            f"seconds after the case was opened. Is it read before it is decided? {_addressed(policies, pace.action_type)}"
        )


def _title(action_type: str) -> str:
    return words(action_type).capitalize()


def _addressed(policies: PolicySet, action_type: str) -> str:
    return f"For the owner of its policy: {owner_of(policies, action_type)}."
