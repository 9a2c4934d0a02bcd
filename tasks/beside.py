"""What of the chart an action is judged beside: the lists it asks for, read just now, in canonical words. It judges nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonical import exact_json
from canonical.action import Finding, Surroundings
from canonical.command import Command
from canonical.errors import NeedsPersonError
from canonical.medication_context import in_force
from canonical.ports import Ehr, Resource, Trace

#: Entries that name a medicine, perhaps by another resource.
_OF_MEDICINES = frozenset({"MedicationStatement", "MedicationRequest"})
_MEDICATION = "Medication/"
Told = dict[str, Any]


def wanted_by(command: Command) -> Surroundings | None:
    """Return what the command's operation is to be judged beside, if it is."""
    wanted = command.spec.surroundings
    return wanted if wanted is not None and command.envelope.action.operation in wanted.operations else None


def read_beside(command: Command, ehr: Ehr, trace: Trace) -> tuple[Resource, ...]:
    """Read the lists that the command is judged beside; raises as :meth:`canonical.ports.Ehr.entries`."""
    wanted, patient = wanted_by(command), command.envelope.patient.reference
    if wanted is None:
        return ()
    listed = ehr.capabilities.medication_list.types if wanted.medicines else ()
    types = dict.fromkeys((*wanted.resource_types, *listed))
    return tuple(entry for name in types for entry in ehr.entries(name, patient, trace))


def told(beside: Iterable[Resource], ehr: Ehr, trace: Trace) -> list[Told]:
    """Return each entry in canonical words with its ``reference``; a medicine that another resource names is looked up.

    Raises :class:`EhrUnavailableError` where that cannot be read now. What the EHR does not show stays as the entry has it.
    """
    return [_told(entry, ehr, trace) for entry in beside]


def _told(entry: Resource, ehr: Ehr, trace: Trace) -> Told:
    reference = reference_of(entry)
    if entry.get("resourceType") not in _OF_MEDICINES:
        return dict(ehr.project(entry)) | {"reference": reference}
    said = dict(ehr.fields(entry)) | {"reference": reference}
    return said | _named_elsewhere(said, ehr, trace) if in_force(said) else said


def _named_elsewhere(said: Mapping[str, Any], ehr: Ehr, trace: Trace) -> Told:
    """Return what a resource of its own says of an entry's medicine, or at least what the reference to it is called."""
    link = said.get("medicationReference")
    if not isinstance(link, Mapping):
        return {}
    display = {"text": link["display"]} if link.get("display") else None
    found = _looked_up(str(link.get("reference", "")), ehr, trace)
    names = [item for item in (found.get("code"), display) if item]
    parts = [item.get("itemCodeableConcept") for item in found.get("ingredient", []) if isinstance(item, Mapping)]
    more = [*names[1:], *(item for item in parts if item), *(said.get("ingredient") or [])]
    return ({"medication": names[0]} if names else {}) | ({"ingredient": more} if more else {})


def _looked_up(reference: str, ehr: Ehr, trace: Trace) -> Mapping[str, Any]:
    if not reference.startswith(_MEDICATION):
        return {}
    try:
        return ehr.fetch(reference, trace).resource or {}
    except NeedsPersonError:
        # It is not shown to us: then it is not known which medicine it is, and the entry is judged as one that names none.
        return {}


def rests_on(finding: Finding, beside: Sequence[Resource], ehr: Ehr) -> str:
    """Return the digest (hex) of what the entries that a finding is about say now; empty where it is about none."""
    if not finding.about:
        return ""
    about = [entry for entry in beside if reference_of(entry) in finding.about]
    said = sorted((reference_of(entry), exact_json.canonical_bytes(ehr.project(entry)).hex()) for entry in about)
    return hashlib.sha256(exact_json.canonical_bytes([finding.kind, [list(item) for item in said]])).hexdigest()


def reference_of(resource: Resource) -> str:
    """Return ``Type/id`` of a resource as read."""
    return f"{resource.get('resourceType')}/{resource.get('id')}"
