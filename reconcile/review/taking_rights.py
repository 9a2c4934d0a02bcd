"""Who may take an entry back, or make up for it: by what it says, by policy and by licence. It gives no command."""

from __future__ import annotations

from canonical.envelope import Envelope
from canonical.high_alert import medicines_of
from canonical.policy import PolicySet
from canonical.restricted import is_restricted
from canonical.reviewer import Reviewer, Right
from canonical.risk import Facts
from canonical.ruling import judge_alone, who_may


def why_not(envelope: Envelope, operation: str, *, policies: PolicySet, reviewer: Reviewer) -> str:
    """Return why ``reviewer`` may not give ``operation`` about the entry of ``envelope``, or nothing.

    What speaks of the whole entry is decided by who may decide each of its groups.
    """
    if not reviewer.may(Right.SEE_CONTENT):
        return "You may not see what it says, so you cannot take it back."
    if is_restricted([label.as_json() for label in envelope.security_label or ()]):
        return "Its content is restricted: nobody takes back from here what they do not see."
    action = envelope.action
    verdict = judge_alone(
        policies,
        action_type=action.type,
        operation=operation,
        fields=tuple(name for name in action.as_json() if name not in {"type", "operation"}),
        facts=Facts(authenticated=True, high_alert=policies.high_alert.named_by(medicines_of(envelope))),
    )
    return who_may(verdict, reviewer)
