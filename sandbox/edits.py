"""What a clinician does to the chart in the EHR itself, and the traces that this leaves; not what a client may do.

A named clinician's edit leaves a Provenance and a `meta.source` as far as the EHR in play shows such things.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sandbox.answers import Refusal, instant
from sandbox.chart import Chart, StoredVersion
from sandbox.resource_types import RESOURCE_TYPES
from sandbox.validity import check_resource

#: What stands for a name where the EHR gives none.
NAMELESS = "Not available"


class Clinician(BaseModel):
    """Who edits: a name, what they are, and their resource if the chart has one."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    role: str | None = None
    reference: Annotated[str, Field(pattern=r"^Practitioner/[A-Za-z0-9\-.]{1,64}$")] | None = None


class Edit(BaseModel):
    """A resource as it is to be, or the reference of one to delete; by whom, through which system (a URI), and when."""

    model_config = ConfigDict(extra="forbid")

    resource: dict[str, Any] | None = None
    delete: str | None = None
    source: str = "clinician"
    by: Clinician | None = None
    system: str | None = None
    at: AwareDatetime | None = None


def known(given: Any) -> dict[str, Any]:
    """A resource with an id and of a type that is kept, valid.

    Raises:
        Refusal: 400 or 422, it is none.
    """
    if not isinstance(given, dict):
        raise Refusal(400, "structure", "Send a JSON object.")
    if given.get("resourceType") not in RESOURCE_TYPES or not isinstance(given.get("id"), str):
        raise Refusal(422, "invalid", "A resource needs an id and a type this server keeps.")
    check_resource(given, status=422)
    return given


def edit_chart(chart: Chart, edit: Edit, now: float) -> StoredVersion:
    """Write the next version, past every precondition and fault; at `edit.at`, or now (seconds since 1970).

    Raises:
        Refusal: 404, what is to be deleted is not there; 422, the chart has a later version.
    """
    at = _time_of(edit.at, now)
    if edit.delete is not None:
        resource_type, _, resource_id = edit.delete.partition("/")
        current = chart.current(resource_type, resource_id)
        if current is None or current.deleted:
            raise Refusal(404, "not-found", f"{edit.delete} is not in the chart.")
        _check_order(current, at)
        stored = chart.delete(current, at=at, source=edit.source)
    else:
        resource = known(edit.resource)
        _check_order(chart.current(resource["resourceType"], resource["id"]), at)
        stored = chart.store(_through(chart, resource, edit.system), id=resource["id"], at=at, source=_who(edit))
    if edit.by is not None and chart.behaviour.provenance != "none":
        chart.store(_provenance(chart, stored, edit.by, edit.system), at=at, source="ehr")
    return stored


def _time_of(at: datetime | None, now: float) -> float:
    return now if at is None else at.timestamp()


def _check_order(current: StoredVersion | None, at: float) -> None:
    if current is not None and current.stored_at > at:
        raise Refusal(422, "invalid", "The chart has a later version than that.")


def _who(edit: Edit) -> str:
    return edit.by.name if edit.by is not None else edit.source


def _through(chart: Chart, resource: dict[str, Any], system: str | None) -> dict[str, Any]:
    """The resource with `meta.source` saying through which system it came: never through the one before."""
    meta = {name: value for name, value in (resource.get("meta") or {}).items() if name != "source"}
    if system is not None and chart.behaviour.meta_source == "shown":
        meta["source"] = system
    return {**resource, "meta": meta} if meta else {name: item for name, item in resource.items() if name != "meta"}


def _provenance(chart: Chart, stored: StoredVersion, by: Clinician, system: str | None) -> dict[str, Any]:
    named = chart.behaviour.provenance == "named"
    target = stored.reference if chart.hides_versions(stored.type) else f"{stored.reference}/_history/{stored.version}"
    who = {"display": by.name, **({"reference": by.reference} if by.reference else {})}
    agents: list[dict[str, Any]] = [
        {"type": _agent("author"), "who": who if named else {"display": NAMELESS}},
        *([{"type": _agent("assembler"), "who": {"type": "Device", "display": system}}] if named and system else []),
    ]
    if named and by.role:
        agents[0]["role"] = [{"text": by.role}]
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": instant(stored.stored_at),
        "agent": agents,
    }


def _agent(code: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return {"coding": [{"system": system, "code": code}]}
