"""A call's body, held against what it should be before anything is looked up; not the EHR's own rules."""

from dataclasses import replace

from sandbox import written_json
from sandbox.answers import Refusal
from sandbox.call import Call, Interaction
from sandbox.json_patch import MalformedPatch, Step, parse_patch
from sandbox.personality import Conduct
from sandbox.validity import JSON_PATCH, check_content_type, check_resource, parse_resource


def checked(call: Call, conduct: Conduct) -> Call:
    """The call with the resource or patch its body holds; other interactions have none.

    Raises:
        Refusal: 400, 415 or the setting's status.
    """
    if call.is_checked and call.interaction is not Interaction.TRANSACTION:
        return call
    if call.interaction is Interaction.TRANSACTION and call.entries is not None and conduct.personality.base is None:
        entries = tuple(replace(entry, call=checked(entry.call, conduct)) for entry in call.entries)
        return replace(call, entries=entries)
    if call.interaction is Interaction.PATCH:
        return replace(call, patch=tuple(_patch(call)))
    if call.interaction in {Interaction.CREATE, Interaction.UPDATE} and call.native is None:
        return _with_resource(call, conduct)
    return call


def _with_resource(call: Call, conduct: Conduct) -> Call:
    check_content_type(call.headers.get("content-type"))
    is_update = call.interaction is Interaction.UPDATE
    resource = parse_resource(call.body, type=call.type, id=call.id if is_update else None)
    if not is_update and conduct.behaviour.client_ids == "ignore":
        # The id of a create is the server's to give; an unfit one is no reason to refuse.
        resource.pop("id", None)
    check_resource(resource, status=conduct.behaviour.invalid_status)
    return replace(call, resource=resource)


def _patch(call: Call) -> list[Step]:
    check_content_type(call.headers.get("content-type"), JSON_PATCH)
    try:
        return parse_patch(written_json.loads(call.body))
    except (written_json.MalformedJson, MalformedPatch) as error:
        raise Refusal(400, "structure", str(error)) from None
