"""Sweep: what no app confirmed in time. Its author is sent a message, or operations get a case: once for one state of a command.

A message that stops is never followed by another one: what it was to tell becomes a case.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from canonical.acknowledging import Overdue
from reconcile.sweep import Counts, Hands, Sweep

if TYPE_CHECKING:
    from config.wiring import Services


@dataclass(frozen=True, kw_only=True)
class Config:
    """How much at once."""

    limit: int = 50


def run_once(services: Services, _hands: Hands, config: Config = Config()) -> Counts:
    """Do for each what its connection declares, and note the messages that arrived."""
    notices = services.author_notices
    counts: Counter[str] = Counter(messages=0, cases=0)
    counts["arrived"] = notices.overdue.messages_arrived(limit=config.limit)
    for overdue in notices.overdue.overdue(limit=config.limit):
        done = _done(services, overdue)
        if done:
            counts[done] += 1
    return dict(counts)


def _done(services: Services, overdue: Overdue) -> str:
    """Return what was done about one, ``messages`` or ``cases``, or nothing where somebody else did it."""
    notices = services.author_notices
    if overdue.is_notice:
        return "cases" if notices.overdue.hand_on(overdue) else ""
    given = notices.give(overdue)
    if given.message is not None:
        return "messages" if notices.overdue.message_given(overdue, given.message) else ""
    if given.later:
        return ""
    return "cases" if notices.overdue.ask_operations(overdue, why=given.why) else ""


SWEEP = Sweep(name="unacknowledged", every=timedelta(seconds=5), run_once=run_once)
