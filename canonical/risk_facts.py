"""What of a command bears on who must look at it, gathered from its envelope. It judges nothing."""

from __future__ import annotations

from canonical.action import spec_for, with_parts
from canonical.envelope import Envelope
from canonical.high_alert import medicines_of
from canonical.policy import PolicySet
from canonical.risk import Facts, licence_of


def facts_of(envelope: Envelope, policies: PolicySet, *, authenticated: bool, approved: bool = False) -> Facts:
    """Return the facts of ``envelope``; ``authenticated``: its author was logged in; ``approved``: a person approved it."""
    return Facts(
        licence=licence_of(envelope.author),
        authenticated=authenticated,
        ai=envelope.ai is not None and any(spec_for(action).ai_needs_person for action in with_parts(envelope)),
        high_alert=policies.high_alert.named_by(medicines_of(envelope)),
        approved=approved,
    )
