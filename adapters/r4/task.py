"""``CareTask`` as an R4 Task, told once for writing and reading; it proposes or plans and never orders.

Source: HL7 FHIR R4 (4.0.1) Task and its state machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import Field, agree, appended, plain, put
from canonical.actions.care_task import MAY_STATE
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

#: Every field of ``CareTask``.
FIELDS: tuple[Field, ...] = (
    plain("code"),
    plain("description"),
    plain("intent"),
    plain("priority"),
    plain("owner"),
    plain("performerType"),
    plain("requester"),
    plain("restriction"),
    plain("focus"),
    plain("basedOn"),
    plain("reasonCode"),
    plain("reasonReference"),
    plain("authoredOn"),
    plain("executionPeriod"),
    plain("businessStatus"),
    plain("statusReason"),
    plain("output"),
    appended("note"),
)
_ASKED = frozenset({"requested", "received", "accepted", "ready", "in-progress", "on-hold"})
#: operation → (statuses it may start from, status it leads to; ``None``: unchanged). What has ended stays ended.
STATUS_MOVES: Mapping[str, tuple[frozenset[str], str | None]] = {
    "update": (_ASKED | {"draft"}, None),
    "complete": (_ASKED, "completed"),
    "cancel": (_ASKED | {"draft"}, "cancelled"),
}
#: operation → fields it writes: all that it may state, but the code by which a task that ends is only named.
WRITES: Mapping[str, frozenset[str]] = {
    operation: MAY_STATE[operation] - (frozenset() if operation == "update" else {"code"}) for operation in STATUS_MOVES
}


def create(change: Change) -> Resource:
    """Build the Task of something newly asked for, by the author unless the action names who asks."""
    resource = new_resource("Task", change, status="requested")
    put(resource, "encounter", change.encounter)
    put(resource, "requester", change.author)
    write_fields(resource, FIELDS, {"intent": "proposal", **change.content})
    return resource


def update(change: Change) -> Resource:
    """Build the target after the change; when it was last modified is the EHR's to say.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_task``: send nothing.
    """
    writes = WRITES[change.operation]
    refuse_besides(change, (*writes, "code"))
    resource = copy_of_current(change)
    allowed, leads_to = STATUS_MOVES[change.operation]
    status = resource.get("status")
    if not isinstance(status, str) or status not in allowed:
        raise NeedsPersonError("status_ended", "The task has a status from which this change is not possible.")
    _check_task(change, resource)
    write_fields(resource, FIELDS, {name: value for name, value in change.content.items() if name in writes})
    resource["status"] = leads_to or status
    put(resource, "lastModified", None)
    return resource


def _check_task(change: Change, resource: Resource) -> None:
    """Only an update may make a task another one; what ends it names the one that is ended."""
    code = change.content.get("code")
    if change.operation != "update" and code is not None and not agree(code, resource.get("code")):
        raise NeedsPersonError("other_task", "The target is another task than the action names.")


_UPDATE = Handler(resource_type="Task", build=update)
HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("CareTask", "create"): Handler(resource_type="Task", build=create, creates=True),
    **{("CareTask", operation): _UPDATE for operation in WRITES},
}
