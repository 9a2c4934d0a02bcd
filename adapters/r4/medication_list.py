"""``MedicationReconciliation`` as an R4 List: a snapshot of the documented list, each entry flagged with what was done to it.

It refers to entries and holds none: the changes are entries of their own, written before it.

Source: HL7 FHIR R4 (4.0.1) List; LOINC 10160-0, history of medication use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import Field, appended, extension, has_code, plain, put
from canonical.actions.medication_reconciliation import LIST_CODE
from canonical.code_systems import LOINC
from canonical.errors import NeedsPersonError
from canonical.plain_values import words
from canonical.ports import Resource

CODE = {"coding": [{"system": LOINC, "code": LIST_CODE}], "text": "History of medication use"}
FLAGS = "urn:fhir-writeback:list-entry"
UNCHANGED = "unchanged"
#: A list that can still be marked as an error.
RETRACTABLE = frozenset({"current"})


def entry(item: Mapping[str, Any], flag: str) -> dict[str, Any]:
    """Return one entry of the list: what it refers to, and what was done to that (an operation, or ``unchanged``)."""
    return {"flag": {"coding": [{"system": FLAGS, "code": flag}], "text": words(flag)}, "item": dict(item)}


def _is_reviewed(item: Mapping[str, Any]) -> bool:
    return has_code(item.get("flag"), FLAGS, UNCHANGED)


def _read_reviewed(resource: Resource) -> Any:
    return [item.get("item") for item in resource.get("entry", []) if _is_reviewed(item)] or None


def _write_reviewed(resource: Resource, value: Any) -> None:
    kept = [item for item in resource.get("entry", []) if not _is_reviewed(item)]
    put(resource, "entry", kept + [entry(item, UNCHANGED) for item in value or []])


#: Every field of ``MedicationReconciliation`` that stands in the list itself; its changes are entries of their own.
FIELDS: tuple[Field, ...] = (
    Field(name="reviewed", read=_read_reviewed, write=_write_reviewed),
    plain("date"),
    extension("informationSource", "valueReference"),
    extension("informationSourceRole", "valueCode"),
    plain("verifiedBy", "source"),
    appended("note"),
    extension("retractReason", "valueString"),
)


def reconcile(change: Change) -> Resource:
    """Build the List of a review: what was changed, in the order of writing, and then what stays as it is."""
    resource = new_resource("List", change, status="current")
    resource |= {"mode": "snapshot", "code": CODE}
    put(resource, "encounter", change.encounter)
    changes = zip(change.parts, change.content.get("changes") or [], strict=True)
    put(resource, "entry", [entry({"reference": urn}, item["action"]["operation"]) for urn, item in changes])
    write_fields(resource, FIELDS, change.content)
    return resource


def retract(change: Change) -> Resource:
    """Build the list as entered in error; what it refers to stays as it is.

    Raises :class:`NeedsPersonError` ``other_list`` or ``status_ended``: send nothing.
    """
    refuse_besides(change, ("retractReason", "note"))
    resource = copy_of_current(change)
    if not has_code(resource.get("code"), LOINC, LIST_CODE) or resource.get("mode") != "snapshot":
        raise NeedsPersonError("other_list", "The target is no review of the medication list.")
    if resource.get("status") not in RETRACTABLE:
        raise NeedsPersonError("status_ended", "The list was retired or marked as an error.")
    resource["status"] = "entered-in-error"
    write_fields(resource, FIELDS, change.content)
    return resource


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("MedicationReconciliation", "reconcile"): Handler(resource_type="List", build=reconcile, creates=True),
    ("MedicationReconciliation", "retract"): Handler(resource_type="List", build=retract),
}
