"""Retractions at an EHR whose update of a type only takes an entry back: what is sent with one, and what it leaves as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.accepted import takes_back
from adapters.r4.change import Change
from adapters.r4.invariants import ABATEMENT
from adapters.r4.normalisation import Normalisation
from canonical.ports import Resource

#: The reason of a retraction stays in our record: the EHR reads nothing but the mark.
_REASONS = ("note", "statusReason")


def only_taken_back(resource: Resource, change: Change) -> Resource:
    """Return a retraction without what would be ignored; whatever else is built passes unchanged."""
    if not takes_back(resource):
        return resource
    before = change.current or {}
    kept = {name: item for name, item in resource.items() if name not in {"meta", "text", *_REASONS}}
    return {**kept, **{name: before[name] for name in _REASONS if name in before}}


def marked_in_error(current: Mapping[str, Any]) -> Resource:
    """Return an entry that states one ``status``, as it was read, marked as entered in error."""
    kept = {name: item for name, item in current.items() if name not in {"meta", "text"}}
    return {**kept, "status": "entered-in-error"}


def left_as_it_was(resource_type: str, source: str) -> tuple[Normalisation, ...]:
    """What an entry in error may go on saying there, though FHIR has it say so no more."""
    return tuple(
        Normalisation(
            resource_type=resource_type,
            element=element,
            what="left as it was in an entry that was taken back",
            source=source,
            same=lambda sent, _stored: takes_back(sent),
        )
        for element in ("clinicalStatus", *ABATEMENT)
    )
