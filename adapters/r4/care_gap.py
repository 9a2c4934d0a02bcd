"""``CareGapClosure`` as an R4 Task that is done: told apart by its code from what somebody is still asked to do.

Its ``output`` refers to the evidence, written just before or in the chart already. R4 has no entry for a closed gap of its own;
that the gap is closed is said by DEQM's code in ``businessStatus``.

Source: HL7 FHIR R4 (4.0.1) Task; HL7 Da Vinci DEQM, code system ``gaps-status``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.comparable import comparable
from adapters.r4.fields import Field, agree, appended, has_code, plain, put
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

SYSTEM = "urn:fhir-writeback:task"
CLOSURE = {"coding": [{"system": SYSTEM, "code": "care-gap-closure"}], "text": "Care gap closed"}
EVIDENCE = {"coding": [{"system": SYSTEM, "code": "evidence"}], "text": "Evidence"}
CLOSED = {"coding": [{"system": "http://hl7.org/fhir/us/davinci-deqm/CodeSystem/gaps-status", "code": "closed-gap"}]}
#: A closure that can still be marked as an error.
RETRACTABLE = frozenset({"completed"})


def is_closure(resource: Resource) -> bool:
    """Whether a Task says that a gap was closed."""
    return has_code(resource.get("code"), SYSTEM, "care-gap-closure")


def _read_gap(resource: Resource) -> Any:
    return resource.get("focus", {}).get("identifier") if is_closure(resource) else None


def _write_gap(resource: Resource, value: Any) -> None:
    put(resource, "focus", None if value is None else {"identifier": value})


def _read_evidence(resource: Resource) -> Any:
    outputs = resource.get("output", []) if is_closure(resource) else []
    return [item["valueReference"] for item in outputs if "valueReference" in item] or None


def _write_evidence(resource: Resource, value: Any) -> None:
    put(resource, "output", [{"type": EVIDENCE, "valueReference": reference} for reference in value or []])


#: What a Task says only where it is a closure.
OWN: tuple[Field, ...] = (
    Field(
        name="measure",
        read=lambda resource: resource.get("reasonCode") if is_closure(resource) else None,
        write=lambda resource, value: put(resource, "reasonCode", value),
    ),
    Field(name="gapIdentifier", read=_read_gap, write=_write_gap),
    Field(name="evidenceReference", read=_read_evidence, write=_write_evidence),
)
#: Every field of ``CareGapClosure`` that stands in the Task itself; its evidence is entries of their own.
FIELDS: tuple[Field, ...] = (
    *OWN,
    plain("description"),
    plain("executionPeriod"),
    plain("owner"),
    plain("statusReason"),
    appended("note"),
)


def close(change: Change) -> Resource:
    """Build the Task of a closed gap: done by the author unless the action names who did it, and authorising nothing."""
    resource = new_resource("Task", change, status="completed")
    resource |= {"intent": "plan", "code": CLOSURE, "businessStatus": CLOSED}
    put(resource, "encounter", change.encounter)
    put(resource, "owner", change.author)
    named = change.content.get("evidenceReference") or []
    evidence = [*({"reference": urn} for urn in change.parts), *named]
    write_fields(resource, FIELDS, {**change.content, "evidenceReference": evidence})
    return resource


def retract(change: Change) -> Resource:
    """Build the closure as entered in error; the evidence it refers to stays.

    Raises :class:`NeedsPersonError` ``other_task`` or ``status_ended``: send nothing.
    """
    refuse_besides(change, ("measure", "gapIdentifier", "statusReason", "note"))
    _check_closure(change)
    resource = copy_of_current(change)
    if resource.get("status") not in RETRACTABLE:
        raise NeedsPersonError("status_ended", "The closure was marked as an error, or is not done.")
    resource["status"] = "entered-in-error"
    write_fields(resource, FIELDS, {name: change.content[name] for name in _SAYS_WHY if name in change.content})
    put(resource, "lastModified", None)
    return resource


_SAYS_WHY = ("statusReason", "note")


def _check_closure(change: Change) -> None:
    here, base = change.current or {}, change.site.base_url
    measure, gap = change.content.get("measure"), change.content.get("gapIdentifier")
    other_gap = gap is not None and comparable(gap, base) != comparable(_read_gap(here), base)
    if not is_closure(here) or other_gap or (measure is not None and not agree(measure, here.get("reasonCode"))):
        raise NeedsPersonError("other_task", "The target is no closure of the gap that the action names.")


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("CareGapClosure", "close"): Handler(resource_type="Task", build=close, creates=True),
    ("CareGapClosure", "retract"): Handler(resource_type="Task", build=retract),
}
