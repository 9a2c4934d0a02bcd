"""``ImmunizationRecord`` as an R4 Immunization, told once for writing and reading. Codes and amounts go out as written.

Source: HL7 FHIR R4 (4.0.1) Immunization; US Core Immunization.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import Field, agree, appended, choice, plain, put
from canonical.errors import NeedsPersonError
from canonical.immunization_rules import OCCURRENCE, OF_A_DOSE, TAKES
from canonical.ports import Resource

TYPE = "Immunization"
GIVEN = "completed"
NOT_GIVEN = "not-done"
#: Statuses that may be corrected, which leaves them as they are, or taken back.
LIVE = frozenset({GIVEN, NOT_GIVEN})
#: Every field of ``ImmunizationRecord`` that reaches the chart; ``changeReason`` becomes a note.
FIELDS: tuple[Field, ...] = (
    plain("vaccineCode"),
    *(choice(name, OCCURRENCE) for name in OCCURRENCE),
    plain("primarySource"),
    plain("reportOrigin"),
    plain("statusReason"),
    plain("lotNumber"),
    plain("expirationDate"),
    plain("manufacturer"),
    plain("site"),
    plain("route"),
    plain("doseQuantity"),
    plain("performer"),
    plain("fundingSource"),
    plain("programEligibility"),
    plain("protocolApplied"),
    plain("reaction"),
    plain("reasonCode"),
    plain("recorded"),
    appended("note"),
)


def record(change: Change) -> Resource:
    """Build the Immunization of a dose that was given."""
    return _new(change, GIVEN)


def record_not_done(change: Change) -> Resource:
    """Build the Immunization that says that a dose was not given, and why."""
    return _new(change, NOT_GIVEN)


def _new(change: Change, status: str) -> Resource:
    refuse_besides(change, TAKES[change.operation])
    resource = new_resource(TYPE, change, status=status)
    put(resource, "encounter", change.encounter)
    write_fields(resource, FIELDS, change.content)
    return resource


def correct(change: Change) -> Resource:
    """Build the target with the corrected content; whether a dose was given is not corrected but taken back.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_status``: send nothing.
    """
    refuse_besides(change, TAKES["correct"])
    resource = _target(change)
    stated = {name for name, value in change.content.items() if value is not None}
    misplaced = stated & ({"statusReason"} if resource["status"] == GIVEN else set(OF_A_DOSE))
    if misplaced:
        detail = "What is corrected belongs to a dose that was given, and this one was not, or the reverse."
        raise NeedsPersonError("other_status", detail)
    write_fields(resource, FIELDS, change.content)
    return resource


def retract(change: Change) -> Resource:
    """Build the target as entered in error, its content unchanged and the reason noted.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_vaccine``: send nothing.
    """
    refuse_besides(change, TAKES["retract"])
    resource = _target(change)
    named = change.content.get("vaccineCode")
    if named is not None and not agree(named, resource.get("vaccineCode")):
        raise NeedsPersonError("other_vaccine", "The target is another vaccine than the action names.")
    resource["status"] = "entered-in-error"
    notes = [*(change.content.get("note") or []), {"text": change.content["changeReason"]}]
    write_fields(resource, FIELDS, {"note": notes})
    return resource


def _target(change: Change) -> Resource:
    resource = copy_of_current(change)
    if resource.get("status") not in LIVE:
        raise NeedsPersonError("status_ended", "The vaccination is marked as an error.")
    return resource


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ImmunizationRecord", "record"): Handler(resource_type=TYPE, build=record, creates=True),
    ("ImmunizationRecord", "recordNotDone"): Handler(resource_type=TYPE, build=record_not_done, creates=True),
    ("ImmunizationRecord", "correct"): Handler(resource_type=TYPE, build=correct),
    ("ImmunizationRecord", "retract"): Handler(resource_type=TYPE, build=retract),
}
