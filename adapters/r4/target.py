"""Whether the target of an update may be changed: there, this patient's, ours to change, and as its author saw it.

The version that goes into ``If-Match`` is the author's. A version is never used merely because it was read here: that would
be an unconditional overwrite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.r4.arrival import check_not_overtaken
from adapters.r4.patients import patient_reference
from adapters.site import Site
from canonical.base import unseen
from canonical.capabilities import PreconditionKind
from canonical.command import Command
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
    if patient_reference(resource, base_url) not in command.patients:
        raise NeedsPersonError("wrong_patient", "The target belongs to another patient than the command names.")
    _check_ours(resource)
    if resource.get("resourceType") != resource_type:
        raise UnsupportedActionError(f"the target is no {resource_type}, and nothing else is changed by this action")
    return resource


def _check_ours(resource: Resource) -> None:
    is_order = resource.get("resourceType") == "MedicationRequest" and resource.get("intent") in ORDER_INTENTS
    if is_order and resource.get("reportedBoolean") is not True:
        raise NeedsPersonError("not_ours_to_change", "The target is a prescriber's order.")


@dataclass(frozen=True, kw_only=True)
class Now:
    """The target as it is now.

    ``projection`` is it in canonical words, ``seen`` what the author saw in the same form, ``content`` what the command says
    (canonical fields as JSON), ``known`` the fields that such an entry can have, ``is_ours``: it carries a mark of this service.
    """

    projection: Projection
    seen: Projection
    content: Mapping[str, Any]
    known: frozenset[str]
    is_ours: bool = False

    @property
    def is_as_seen(self) -> bool:
        """Whether the chart equals every canonical field that the author had on the screen; an unknown field does not.

        A field seen to be empty (``None``) is as it was while the chart says nothing in it.
        """
        return bool(self.seen) and all(self._is(name, value) for name, value in self.seen.items())

    def _is(self, name: str, value: Any) -> bool:
        if name not in self.projection:
            return value is None and name in self.known
        return bool(value == self.projection[name])


def check_precondition(
    command: Command, current: Fetched, now: Now, *, kind: PreconditionKind, site: Site
) -> Precondition:
    """Return the version to send, if the chart is as the author saw it.

    ``kind`` is the guard that the EHR has for this verb. Raises :class:`TargetMovedError`: send nothing, it is a conflict; and
    :class:`NeedsPersonError` ``unversioned_target`` where the EHR states no version to guard the write with,
    ``newer_applied`` where what moved it is a later command of ours.
    """
    version, target = current.version, command.envelope.target
    if kind in {PreconditionKind.READ_COMPARE, PreconditionKind.NONE}:
        return _unguarded(command, now, site)
    if version is None:
        raise NeedsPersonError(
            "unversioned_target", "The EHR states no version of the target, so no edit could be noticed."
        )
    if target is not None and target.version_id == version:
        return _seen_version(version, now)
    # Only this subject's own earlier commands made it, so it is no edit by somebody else; whoever fills ``known_versions``
    # answers for that. Their author's screen is older than the chart then, and is not compared.
    if version in command.known_versions:
        _check_order(command, now)
        return Precondition(version=version)
    if target is None or target.version_id is not None:
        raise _moved(command, now, "The target is not as its author saw it.")
    _check_seen(command, now)
    return Precondition(version=version, rebased=True)


def _unguarded(command: Command, now: Now, site: Site) -> Precondition:
    """Compare what the author saw just before writing; an edit in the moment after cannot be prevented, only found."""
    if site.options.get(ACCEPTS_WINDOW) is not True:
        raise NeedsPersonError("no_precondition", "The EHR has no guard against an edit in the moment of writing.")
    _check_seen(command, now)
    return Precondition(version=None, rebased=True)


def _check_seen(command: Command, now: Now) -> None:
    """Pass only if all that the change touches was seen, and stands as it was seen: there is no version that says so."""
    if not now.is_as_seen:
        raise _moved(command, now, "The target is not as its author saw it.")
    if unseen(command.envelope):
        raise TargetMovedError("The change touches what its author did not say they saw, and no version stands for it.")


def _seen_version(version: str, now: Now) -> Precondition:
    if now.seen and not now.is_as_seen:
        # The app shows its users something else than the chart says: its author decided on another picture.
        raise TargetMovedError("The target says something else than its author saw, under the same version.")
    return Precondition(version=version)


def _moved(command: Command, now: Now, message: str) -> TargetMovedError:
    """Return the conflict; raises :class:`NeedsPersonError` ``newer_applied`` where a later write of ours is what moved it."""
    if now.is_ours:
        _check_order(command, now)
    return TargetMovedError(message)


def _check_order(command: Command, now: Now) -> None:
    check_not_overtaken((command.target_reference or "").partition("/")[0], now.content, now.projection)
