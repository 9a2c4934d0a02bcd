"""Who measured and who verified, in ``Observation.performer`` with their function; not the author of the command.

Source: extension ``event-performerFunction`` (R4); HL7 v3 ParticipationType.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.fields import Field, extension_value, has_code, put, put_extension
from canonical.ports import Resource

FUNCTION = "http://hl7.org/fhir/StructureDefinition/event-performerFunction"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
VERIFIER = {"coding": [{"system": PARTICIPATION, "code": "VRF", "display": "verifier"}]}


def _function(performer: Mapping[str, Any]) -> Any:
    return extension_value(performer, FUNCTION, "valueCodeableConcept")


def _as(performer: Mapping[str, Any], function: dict[str, Any] | None) -> dict[str, Any]:
    changed = dict(performer)
    put_extension(changed, FUNCTION, "valueCodeableConcept", function)
    return changed


def _verifiers(resource: Resource) -> list[dict[str, Any]]:
    return [p for p in resource.get("performer", []) if has_code(_function(p), PARTICIPATION, "VRF")]


def _others(resource: Resource) -> list[dict[str, Any]]:
    return [p for p in resource.get("performer", []) if not has_code(_function(p), PARTICIPATION, "VRF")]


def _is_role_only(performer: Mapping[str, Any]) -> bool:
    """Whether nobody is named: the entry exists because its role had to stand somewhere."""
    function = _function(performer)
    said = {name for name in performer if name != "extension"}
    return said == {"display"} and isinstance(function, Mapping) and function.get("text") == performer["display"]


def _write_performers(resource: Resource, value: Any) -> None:
    put(resource, "performer", [*(value or []), *_verifiers(resource)])


def _read_performers(resource: Resource) -> Any:
    return [_as(performer, None) for performer in _others(resource) if not _is_role_only(performer)]


def _write_role(resource: Resource, value: Any) -> None:
    performers = [performer for performer in _others(resource) if not _is_role_only(performer)]
    function = None if value is None else {"text": value}
    if performers:
        performers[0] = _as(performers[0], function)
    elif value is not None:
        performers = [_as({"display": value}, function)]
    put(resource, "performer", [*performers, *_verifiers(resource)])


def _read_role(resource: Resource) -> Any:
    function = next((_function(performer) for performer in _others(resource)), None)
    return function.get("text") if isinstance(function, Mapping) else None


def _write_verifier(resource: Resource, value: Any) -> None:
    put(resource, "performer", [*_others(resource), *([] if value is None else [_as(value, VERIFIER)])])


def _read_verifier(resource: Resource) -> Any:
    return next((_as(performer, None) for performer in _verifiers(resource)), None)


PERFORMER = Field(name="performer", read=_read_performers, write=_write_performers)
PERFORMER_ROLE = Field(name="performerRole", read=_read_role, write=_write_role)
VERIFIED_BY = Field(name="verifiedBy", read=_read_verifier, write=_write_verifier)
