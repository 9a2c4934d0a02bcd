"""Append-only facts about a command; not log lines, and never clinical content."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from canonical.lifecycle import State, Trigger, next_state

if TYPE_CHECKING:
    from collections.abc import Mapping


class Note(StrEnum):
    """Facts about a command that move it nowhere: its events have the same source and target, and are in no table of moves."""

    #: A reviewer asks the author; the app is told.
    AUTHOR_ASKED = "author_asked"
    #: The author answered; the case is back with the reviewers.
    AUTHOR_ANSWERED = "author_answered"
    #: The author did not answer in time; the case is back with the reviewers.
    AUTHOR_SILENT = "author_silent"
    #: It is known that the author learned where the command is; the reason says how.
    ACKNOWLEDGED = "acknowledged"
    #: Nobody confirmed in time that the author saw it: they are sent a message.
    AUTHOR_MESSAGED = "author_messaged"
    #: Nobody confirmed in time that the author saw it: operations are asked.
    UNACKNOWLEDGED = "unacknowledged"
    #: Somebody opened restricted content and said why they must.
    GLASS_BROKEN = "glass_broken"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One legal move with the event that records it.

    ``reason`` is a stable code (``consent-revoked``), ``detail`` further facts without clinical content or identifiers.
    """

    trigger: Trigger
    source: State
    target: State
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def move(state: State, trigger: Trigger, reason: str = "", **detail: Any) -> Move:
    """Return the move that ``trigger`` makes from ``state``.

    Raises :class:`canonical.errors.IllegalTransitionError` when the life cycle has none.
    """
    return Move(
        trigger=trigger,
        source=state,
        target=next_state(state, trigger),
        reason=reason or trigger.value.replace("_", "-"),
        detail=detail,
    )
