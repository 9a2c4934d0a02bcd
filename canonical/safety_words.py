"""Whether a command is safe where it is, in a sentence for whoever is woken; where it is and what is next: ``status.py``."""

from __future__ import annotations

from collections.abc import Mapping

from canonical.explanation import Headline
from canonical.lifecycle import State
from canonical.status import explain

_NOT_SENT = "Safe: nothing of it is in the chart, and it is kept until it is sent or ended."
_PERSON = "Safe while it waits: nothing more is sent before a person decided."
_ENDED = "Safe: it has ended, and nothing more of it is sent."
_IN_DOUBT = (
    "Safe to leave: nothing is sent again before it is known whether it is there. "
    "Not safe to enter by hand: it may be there."
)

SAFETY: Mapping[State, str] = {
    State.RECEIVED: _NOT_SENT,
    State.AWAITING_APPROVAL: _PERSON,
    State.READY: "Safe: it is kept, and what was sent before, if anything, is known.",
    State.SENDING: _IN_DOUBT,
    State.UNKNOWN: _IN_DOUBT,
    State.PENDING_REMOTE: "Safe to leave: the EHR's staff have it. Not safe to rely on: it is not in the chart yet.",
    State.APPLIED: "Safe to leave: the EHR says that it has it. Not safe to rely on before it was read back.",
    State.VERIFIED: "Safe: it was proven by reading it back.",
    State.INCOMPLETE: "Not safe to rely on: only a part of it is in the chart. Nothing more is sent before a person decided.",
    State.TAKING_BACK: "Not safe to rely on: a part of it is in the chart, and that is being taken out. The rest is not sent.",
    State.CONFLICTED: _PERSON,
    State.IN_REVIEW: _PERSON,
    State.PARKED: "Safe: it is kept, and goes on by itself when the EHR can take it.",
    State.REJECTED: _ENDED,
    State.WITHDRAWN: _ENDED,
    State.EXPIRED: _ENDED,
    State.SUPERSEDED: _ENDED,
    State.PARTLY_TAKEN_BACK: "Not safe to rely on: a part of what was meant stands in the chart. Nothing more of it is sent.",
    State.COMPENSATED: "Safe: it was taken out of the chart, and that was proven.",
}
#: What was taken out in the EHR itself was seen to be gone, and is no proof of ours.
_GONE = frozenset({"removed-in-ehr", "removal-accepted"})


def headline(state: State, reason: str, sent_as: str | None) -> Headline:
    """Return what it is, whether it is safe, and what to do next."""
    said = explain(state, reason, sent_as)
    safe = "Safe: it is not in the chart any more." if reason in _GONE else SAFETY[state]
    return Headline(what=said.sentence, safe=safe, next=said.next)
