"""The message to an author whose app did not confirm that they saw what became of their command. A command; nothing is sent here.

It tells where the command is and nothing of its content, so that it says no more than its reader may know.
"""

from __future__ import annotations

from typing import Any

from canonical.acknowledging import NOTICES_APP, Overdue
from canonical.capabilities import Capabilities, Way
from canonical.case_kinds import MOST_SEVERE
from canonical.envelope import Envelope
from canonical.principal import Principal
from canonical.status import explain

#: What is sent, and what a consent must cover for it.
ACTION = ("CareMessage", "send")
#: People with a place for messages in the EHR.
_READERS = frozenset({"Practitioner", "PractitionerRole"})
_TOPIC = "What became of an entry that you sent"


def why_not(envelope: Envelope, can: Capabilities) -> str:
    """Return why the author of ``envelope`` cannot be sent a message, as a code, or nothing."""
    if envelope.security_label:
        # Whoever receives a message is not held to the labels of what it is about.
        return "labelled"
    reference = envelope.author.reference
    if reference is None or reference.partition("/")[0] not in _READERS:
        return "author-without-inbox"
    return "" if can.support(*ACTION).way is Way.DIRECT else "no-messages"


def author_message(overdue: Overdue, envelope: Envelope) -> dict[str, Any]:
    """Return, as JSON, the envelope of the message; the same for one state of a command, whenever it is made."""
    said = explain(overdue.state, overdue.reason, overdue.sent_as)
    text = (
        f"About what you sent for this patient through {overdue.app} on {overdue.received_at:%Y-%m-%d at %H:%M} UTC: "
        f"{said.sentence} {said.next} It is command {overdue.id}."
    )
    return {
        "connection": envelope.connection,
        "action": {
            "type": ACTION[0],
            "operation": ACTION[1],
            "topic": {"text": _TOPIC},
            "payload": [{"contentString": text}],
            "recipient": [{"reference": envelope.author.reference}],
            "priority": "urgent" if overdue.severity == MOST_SEVERE else "routine",
        },
        "patient": envelope.patient.as_json(),
        "author": {"identifier": {"system": "urn:writeback", "value": NOTICES_APP}, "role": "other"},
        "consent": envelope.consent.as_json(),
        "purposeOfUse": envelope.purpose_of_use,
        "reason": "No app confirmed that the author saw what became of their command.",
    }


def message_key(overdue: Overdue) -> str:
    """Return the idempotency key: one message for one state of one command."""
    return f"unacknowledged:{overdue.id}:{overdue.sequence}"


def sender(tenant: str) -> Principal:
    """Return who gives such a message: it may do this and nothing else."""
    return Principal(tenant=tenant, app=NOTICES_APP, scopes=frozenset({f"writeback/{'.'.join(ACTION)}"}))
