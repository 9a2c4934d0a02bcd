"""``OrderRequest`` as an R4 ServiceRequest: a draft that proposes or plans, told once for writing and reading. Never an order.

Source: HL7 FHIR R4 (4.0.1) ServiceRequest; extension ``request-statusReason`` (R4).
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import Field, agree, appended, choice, extension, plain, put
from adapters.r4.marks import identifiers
from canonical.errors import NeedsPersonError
from canonical.order_rules import OCCURRENCE, TAKES
from canonical.ports import Resource

TYPE = "ServiceRequest"
DRAFT = "draft"
#: Intents that authorise nothing.
PROPOSES = frozenset({"proposal", "plan"})
#: Statuses of what is over.
_ENDED = frozenset({"revoked", "completed", "entered-in-error"})
#: Every field of ``OrderRequest``.
FIELDS: tuple[Field, ...] = (
    plain("code"),
    plain("orderDetail"),
    plain("category"),
    plain("intent"),
    plain("priority"),
    choice("quantityQuantity", ("quantityQuantity", "quantityRatio", "quantityRange")),
    *(choice(name, OCCURRENCE) for name in OCCURRENCE),
    plain("requester"),
    plain("performerType"),
    plain("performer"),
    plain("reasonCode"),
    plain("reasonReference"),
    plain("supportingInfo"),
    plain("basedOn"),
    plain("specimen"),
    plain("bodySite"),
    plain("patientInstruction"),
    plain("authoredOn"),
    extension("statusReason", "valueCodeableConcept", "http://hl7.org/fhir/StructureDefinition/request-statusReason"),
    appended("note"),
)


def propose(change: Change) -> Resource:
    """Build the ServiceRequest of something newly proposed, by the author unless the action names who asks."""
    refuse_besides(change, TAKES["propose"])
    resource = new_resource(TYPE, change, status=DRAFT)
    put(resource, "encounter", change.encounter)
    put(resource, "requester", change.author)
    write_fields(resource, FIELDS, {"intent": "proposal", **change.content})
    return resource


def update(change: Change) -> Resource:
    """Build our proposal after the change, still a draft.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``not_ours_to_change``: send nothing.
    """
    refuse_besides(change, TAKES["update"])
    resource = _ours(change)
    write_fields(resource, FIELDS, change.content)
    return resource


def cancel(change: Change) -> Resource:
    """Build our proposal as revoked, with the reason; raises as :func:`update`, or ``other_request``."""
    refuse_besides(change, TAKES["cancel"])
    resource = _ours(change)
    named = change.content.get("code")
    if named is not None and not agree(named, resource.get("code")):
        raise NeedsPersonError("other_request", "The target proposes something else than the action names.")
    write_fields(resource, FIELDS, {name: value for name, value in change.content.items() if name != "code"})
    resource["status"] = "revoked"
    return resource


def _ours(change: Change) -> Resource:
    """Return the target if we proposed it and nobody has made anything else of it."""
    resource = copy_of_current(change)
    if resource.get("status") in _ENDED:
        raise NeedsPersonError("status_ended", "The request is over: it was revoked, completed or an error.")
    proposed = resource.get("status") == DRAFT and resource.get("intent") in PROPOSES
    by_us = any(item.get("system") == change.site.command_system for item in identifiers(resource))
    if not proposed or not by_us or resource.get("doNotPerform") is True:
        raise NeedsPersonError("not_ours_to_change", "The target is an order, or a draft that is not ours.")
    return resource


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("OrderRequest", "propose"): Handler(resource_type=TYPE, build=propose, creates=True),
    ("OrderRequest", "update"): Handler(resource_type=TYPE, build=update),
    ("OrderRequest", "cancel"): Handler(resource_type=TYPE, build=cancel),
}
