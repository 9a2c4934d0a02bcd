"""``CareMessage`` as an R4 Communication, told once for writing and reading; its sender is the command's author.

Source: HL7 FHIR R4 (4.0.1) Communication.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import Field, agree, appended, plain, put
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

#: Every field of ``CareMessage``.
FIELDS: tuple[Field, ...] = (
    plain("category"),
    plain("topic"),
    plain("payload"),
    plain("recipient"),
    plain("priority"),
    plain("about"),
    plain("inResponseTo"),
    plain("reasonCode"),
    plain("sent"),
    plain("statusReason"),
    appended("note"),
)
#: Statuses of a message that was not sent or is an error already: there is nothing to take back.
ENDED = frozenset({"entered-in-error", "not-done"})


def send(change: Change) -> Resource:
    """Build the Communication of a message: it is complete as soon as it is in the EHR, which delivers it."""
    resource = new_resource("Communication", change, status="completed")
    put(resource, "encounter", change.encounter)
    put(resource, "sender", change.author)
    write_fields(resource, FIELDS, change.content)
    return resource


def retract(change: Change) -> Resource:
    """Build the target as entered in error with the reason; who read it has read it.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_message``: send nothing.
    """
    refuse_besides(change, ("topic", "statusReason", "note"))
    resource = copy_of_current(change)
    if resource.get("status") in ENDED:
        raise NeedsPersonError("status_ended", "The message was not sent, or is marked as an error already.")
    topic = change.content.get("topic")
    if topic is not None and not agree(topic, resource.get("topic")):
        raise NeedsPersonError("other_message", "The target is about something else than the action names.")
    resource["status"] = "entered-in-error"
    write_fields(resource, FIELDS, {name: value for name, value in change.content.items() if name != "topic"})
    return resource


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("CareMessage", "send"): Handler(resource_type="Communication", build=send, creates=True),
    ("CareMessage", "retract"): Handler(resource_type="Communication", build=retract),
}
