"""Whether the target of an update may be changed: there, this patient's, ours to change, and as its author saw it.

The version that goes into ``If-Match`` is the author's. A version is never used merely because it was read here: that would
be an unconditional overwrite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.r4.comparable import comparable
from adapters.r4.patients import patient_reference
from adapters.site import Site
from canonical.capabilities import PreconditionKind
from canonical.command import Command
from canonical.envelope import Target
from canonical.errors import NeedsPersonError, TargetMovedError, UnsupportedActionError
from canonical.ports import Fetched, Projection, Resource

#: Intents by which somebody with authority gave an order. Source: HL7 FHIR R4, value set ``medicationrequest-intent``.
ORDER_INTENTS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})


#: Option of a connection whose hospital accepts that an edit between our read and our write would be lost, and found later.
ACCEPTS_WINDOW = "accepts_update_window"


@dataclass(frozen=True, kw_only=True)
class Precondition:
    """The version to send, ``None`` where the EHR has no guard and the connection accepts the window.

    ``rebased``: it was read here, after what the author saw was found unchanged field by field.
    """

    version: str | None
    rebased: bool = False


def require_target(command: Command, current: Fetched | None, *, resource_type: str, base_url: str) -> Resource:
    """Return the target's resource if this command may change it at all.

    Raises :class:`NeedsPersonError` (``gone``, ``wrong_target``, ``wrong_patient``, ``not_ours_to_change``) or
    :class:`UnsupportedActionError`: send nothing.
    """
    resource = current.resource if current is not None else None
    if resource is None:
        raise NeedsPersonError("gone", "The target is not in the chart any more.")
    named = command.target_reference or (command.envelope.target and command.envelope.target.reference)
    if f"{resource.get('resourceType')}/{resource.get('id')}" != named:
        raise NeedsPersonError("wrong_target", "The EHR answered with another resource than the command names.")
    if patient_reference(resource, base_url) != command.envelope.patient.reference:
        raise NeedsPersonError("wrong_patient", "The target belongs to another patient than the command names.")
    _check_ours(resource)
    if resource.get("resourceType") != resource_type:
        raise UnsupportedActionError(f"the target is no {resource_type}, and nothing else is changed by this action")
    return resource


def _check_ours(resource: Resource) -> None:
    is_order = resource.get("resourceType") == "MedicationRequest" and resource.get("intent") in ORDER_INTENTS
    if is_order and resource.get("reportedBoolean") is not True:
        raise NeedsPersonError("not_ours_to_change", "The target is a prescriber's order.")


def check_precondition(
    command: Command, current: Fetched, projection: Projection, *, kind: PreconditionKind, site: Site
) -> Precondition:
    """Return the version to send, if the chart is as the author saw it.

    ``projection`` is the target in canonical words, ``kind`` the guard that the EHR has for this verb. Raises
    :class:`TargetMovedError`: send nothing, it is a conflict; and
    :class:`NeedsPersonError` ``unversioned_target`` where the EHR states no version to guard the write with.
    """
    version, target, base_url = current.version, command.envelope.target, site.base_url
    if kind in {PreconditionKind.READ_COMPARE, PreconditionKind.NONE}:
        return _unguarded(target, projection, site)
    if version is None:
        raise NeedsPersonError(
            "unversioned_target", "The EHR states no version of the target, so no edit could be noticed."
        )
    if target is not None and target.version_id == version:
        return _seen_version(target, version, projection, base_url)
    # Only this subject's own earlier commands made it, so it is no edit by somebody else; whoever fills ``known_versions``
    # answers for that. Their author's screen is older than the chart then, and is not compared.
    if version in command.known_versions:
        return Precondition(version=version)
    if target is None or target.version_id is not None:
        raise TargetMovedError("The target has another version than its author saw.")
    if not target.seen or not is_as_seen(target.seen, projection, base_url=base_url):
        raise TargetMovedError("The target is not as its author saw it.")
    return Precondition(version=version, rebased=True)


def _unguarded(target: Target | None, projection: Projection, site: Site) -> Precondition:
    """Compare what the author saw just before writing; an edit in the moment after cannot be prevented, only found."""
    if site.options.get(ACCEPTS_WINDOW) is not True:
        raise NeedsPersonError("no_precondition", "The EHR has no guard against an edit in the moment of writing.")
    if target is None or not target.seen or not is_as_seen(target.seen, projection, base_url=site.base_url):
        raise TargetMovedError("The target is not as its author saw it.")
    return Precondition(version=None, rebased=True)


def _seen_version(target: Target, version: str, projection: Projection, base_url: str) -> Precondition:
    if target.seen and not is_as_seen(target.seen, projection, base_url=base_url):
        # The app shows its users something else than the chart says: its author decided on another picture.
        raise TargetMovedError("The target says something else than its author saw, under the same version.")
    return Precondition(version=version)


def is_as_seen(seen: Mapping[str, Any], projection: Projection, *, base_url: str) -> bool:
    """Whether the chart equals every canonical field that the author had on the screen; an unknown field does not."""
    return all(name in projection and comparable(value, base_url) == projection[name] for name, value in seen.items())
