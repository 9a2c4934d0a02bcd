"""What Oracle Health Millennium lets a patch touch, as its pages list it; whole resources are judged elsewhere.

Facts: the vendor's own pages (fhir.cerner.com), patch sections of the types named.
"""

import re

from sandbox.call import Call, Interaction
from sandbox.json_patch import Step
from sandbox.personality import Resource, Situation
from sandbox.rules import Told, only

_BUSINESS = Told(422, "business-rule")

#: type → the paths that a patch may touch.
_PATCHABLE = {
    "MedicationRequest": r"/status|/statusReason.*",
    "Appointment": r"/status|/cancelationReason.*|/comment|/slot/.*",
    "Communication": r"/status|/received|/recipient/.*|/extension/.*",
    "Encounter": r"/status|/period/.*|/location/.*|/type/.*|/reasonCode/.*",
    "Patient": r"/(identifier|name|telecom|address|gender|birthDate|active|communication|maritalStatus)(/.*)?",
    "RelatedPerson": r"/(name|telecom|address|period|active)(/.*)?",
}


def check_patch(call: Call) -> None:
    """Raises Refusal for a path that is not listed, and for an indexed element whose id was not tested before."""
    tested: set[str] = set()
    for step in call.checked_patch():
        if step.op == "test":
            tested.add(step.pointer)
            continue
        if not re.fullmatch(_PATCHABLE.get(call.type, r"(?!)"), step.pointer):
            raise _BUSINESS.refusal(f"{step.pointer} cannot be patched.")
        element = _indexed(step)
        if element is not None and step.op in {"replace", "remove"} and f"{element}/id" not in tested:
            raise _BUSINESS.refusal(f"Test {element}/id first.")


def _indexed(step: Step) -> str | None:
    for number, part in enumerate(step.path):
        if part.isdigit():
            return "".join(f"/{it}" for it in step.path[: number + 1])
    return None


def as_patched(at: Situation, _: Resource) -> None:
    if at.call.interaction is Interaction.PATCH:
        check_patch(at.call)


def stop_or_cancel(at: Situation, resource: Resource) -> None:
    if at.call.interaction is Interaction.PATCH:
        only("status", {"stopped", "cancelled"}, _BUSINESS)(at, resource)
