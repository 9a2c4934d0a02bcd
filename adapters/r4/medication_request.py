"""``MedicationChange`` as a *reported* R4 MedicationRequest, which documents what a patient takes and is never an order.

Told once for writing and reading, for EHRs that keep their documented list so. When it was taken stands in the bounds of the
first dosage; the SIG goes out as written.

Source: HL7 FHIR R4 (4.0.1) MedicationRequest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, copy_of_current, new_resource, write_fields
from adapters.r4.fields import Field, agree, appended, plain, put
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

TYPE = "MedicationRequest"
#: Statuses from which a documented medication may be stopped.
STOPPABLE = frozenset({"active", "on-hold"})


def _read_medication(resource: Resource) -> Any:
    return resource.get("medicationCodeableConcept") or resource.get("medicationReference")


def _write_medication(resource: Resource, value: Any) -> None:
    put(resource, "medicationReference", None)
    put(resource, "medicationCodeableConcept", value)


def _bounds(dosage: Mapping[str, Any]) -> Any:
    return dosage.get("timing", {}).get("repeat", {}).get("boundsPeriod")


def _with_bounds(dosage: Mapping[str, Any], period: Any) -> dict[str, Any]:
    changed, timing = dict(dosage), dict(dosage.get("timing", {}))
    repeat = {name: item for name, item in timing.get("repeat", {}).items() if name != "boundsPeriod"}
    put(timing, "repeat", {**repeat, "boundsPeriod": period} if period is not None else repeat or None)
    put(changed, "timing", timing or None)
    return changed


def _read_dosage(resource: Resource) -> Any:
    return [_with_bounds(dosage, None) for dosage in resource.get("dosageInstruction", [])]


def _read_period(resource: Resource) -> Any:
    return next((_bounds(dosage) for dosage in resource.get("dosageInstruction", [])), None)


def _write_period(resource: Resource, value: Any) -> None:
    first, *others = resource.get("dosageInstruction", []) or [{}]
    put(resource, "dosageInstruction", [_with_bounds(first, value), *others])


def _read_reason(resource: Resource) -> Any:
    return [resource["statusReason"]] if "statusReason" in resource else None


def _write_reason(resource: Resource, value: Any) -> None:
    put(resource, "statusReason", value[0] if value else None)


#: Fields of ``MedicationChange`` that a reported request has. In this order: the bounds stand in the dosage.
FIELDS: tuple[Field, ...] = (
    Field(name="medication", read=_read_medication, write=_write_medication),
    Field(
        name="dosage",
        read=_read_dosage,
        write=lambda resource, value: put(resource, "dosageInstruction", value),
    ),
    Field(name="effectivePeriod", read=_read_period, write=_write_period),
    Field(name="statusReason", read=_read_reason, write=_write_reason),
    plain("reasonCode"),
    plain("reasonReference"),
    plain("prescriber", "requester"),
    plain("dateAsserted", "authoredOn"),
    appended("note"),
)


def start(change: Change, *, intent: str) -> Resource:
    """Build the MedicationRequest of a medication newly documented."""
    resource = new_resource(TYPE, change, status="active")
    resource |= {"intent": intent, "reportedBoolean": True}
    put(resource, "encounter", change.encounter)
    write_fields(resource, FIELDS, change.content)
    return resource


def stop(change: Change) -> Resource:
    """Build the target as stopped, nothing else of it changed.

    Raises :class:`NeedsPersonError` ``not_ours_to_change``, ``status_ended`` or ``other_medication``: send nothing.
    """
    resource = copy_of_current(change)
    if resource.get("reportedBoolean") is not True:
        raise NeedsPersonError("not_ours_to_change", "The target is not a documented medication but a prescriber's.")
    if resource.get("status") not in STOPPABLE:
        raise NeedsPersonError("status_ended", "The entry has a status from which this change is not possible.")
    named, here = change.content.get("medication"), _read_medication(resource)
    is_reference = isinstance(here, Mapping) and "reference" in here
    if not ("medication" in change.seen if is_reference else agree(named, here)):
        raise NeedsPersonError("other_medication", "The target is another medication than the action names.")
    resource["status"] = "stopped"
    return resource
