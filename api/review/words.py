"""The words of the review pages: severities, states of a field, spans of time, what was done. No HTML."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from api.status_page import WORDS
from canonical.review_desk import Verb
from canonical.reviewer import Licence, Pool
from canonical.status import Status
from canonical.three_way import FieldState

SEVERITIES: dict[int, str] = {1: "now", 2: "urgent", 3: "soon", 4: "routine"}
POOLS: dict[Pool, str] = {Pool.CLINICAL: "clinical", Pool.OPERATIONS: "operations"}
LICENCES: dict[Licence, str] = {licence: licence.value for licence in Licence}
FIELD_STATES: dict[FieldState, str] = {
    FieldState.SAME: "unchanged",
    FieldState.INDEPENDENT: "one side changed it",
    FieldState.OVERLAPPING: "both would change it",
    FieldState.ALREADY_THERE: "the chart already says so",
}
#: How a process of ours names itself in the events.
_PROCESS = re.compile(r"(?!(app|person|machine|operator):)[^:]+:[0-9]+")
#: The same where one side is known to have changed it.
_CHANGED_BY: dict[str, str] = {"author": "only the proposal changes it", "chart": "only the chart changed"}
#: Lines of a context entry that are shown at once; the first are those that matter most.
CONTEXT_SHOWN = 3
#: What the page says after a decision that was carried out.
DONE: dict[Verb, str] = {
    Verb.APPROVE: "Your approval is recorded.",
    Verb.EDIT: "Your approval of what you changed is recorded.",
    Verb.RESOLVE: "Your decision is recorded.",
    Verb.REMAP: "Recorded: it belongs to the record in its place. Every check is made again.",
    Verb.RESEND: "It is being sent again.",
    Verb.FOUND: "Recorded: it is in the chart. It is read back now.",
    Verb.ACCEPT: "Recorded: the chart stays as it is now.",
    Verb.REJECT: "Recorded: it will not be written.",
    Verb.WITHDRAW: "It was taken back.",
    Verb.ESCALATE: "It was handed up to the next level.",
    Verb.ASK_AUTHOR: "Its author was asked. The case waits for the answer.",
    Verb.SIGN: "Your signature is recorded.",
    Verb.ACKNOWLEDGE: "Recorded that you have seen it.",
    Verb.COMPENSATE: "What you picked is being taken out of the chart, each part by a command of its own.",
}
#: How far a way back undoes, as :class:`canonical.compensation_catalogue.Degree` has it.
DEGREES: dict[str, str] = {
    "reversible": "it counts no more",
    "partly": "what counts is made right",
    "not": "not possible",
}
#: What may be done with many cases of one cause; approving is not among it, and never will be.
BULK: dict[Verb, str] = {
    Verb.RESEND: "Send the selected again",
    Verb.FOUND: "The selected are in the chart",
    Verb.ASK_AUTHOR: "Return the selected to their authors",
    Verb.REJECT: "Do not write the selected",
    Verb.ESCALATE: "Hand the selected up",
}


def status_words(status: str) -> str:
    """Return a public status as people say it."""
    return WORDS[Status(status)]


def field_state(state: FieldState, changed_by: str | None) -> str:
    """Return how a field stands, and where only one side changed it, which."""
    one_sided = _CHANGED_BY.get(changed_by or "") if state is FieldState.INDEPENDENT else None
    return one_sided or FIELD_STATES[state]


def at(moment: datetime) -> str:
    """Return a UTC time with its zone, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """Return a length of time in its two largest units, seconds only below two minutes."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def due(due_at: datetime, now: datetime) -> str:
    """Return when something is due, seen from ``now``."""
    return f"overdue by {span(now - due_at)}" if due_at <= now else f"due in {span(due_at - now)}"


def count(number: int, one: str, many: str) -> str:
    """Return ``number`` with its noun."""
    return f"{number} {one if number == 1 else many}"


def spoken(name: str) -> str:
    """Return a machine's name (``not_applied``, ``lease-lost``) as words."""
    return name.replace("_", " ").replace("-", " ")


def actor(name: str) -> str:
    """Return who did something: a process of ours, known by its machine and number, is this service."""
    return "this service" if _PROCESS.fullmatch(name) else name


def pairs(values: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return each value with itself as its words."""
    return [(value, value) for value in values]
