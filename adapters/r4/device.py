"""What measured a vital sign: a Device of the EHR by reference, or one described in the Observation itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.fields import EXTENSION_BASE, Field, extension_value, put, put_extension
from canonical.ports import Resource

_ID = "device"
_PATIENT_OWNED = EXTENSION_BASE + "patientOwned"
#: Members of the canonical device that are the same in the contained Device; ``udiCarrier`` repeats there.
_SAME = ("type", "serialNumber", "manufacturer", "modelNumber")


def _contained(resource: Resource) -> Mapping[str, Any] | None:
    here = (item for item in resource.get("contained", []) if item.get("resourceType") == "Device")
    return next((item for item in here if item.get("id") == _ID), None)


def _write(resource: Resource, value: Any) -> None:
    others = [item for item in resource.get("contained", []) if item is not _contained(resource)]
    described = _described(value or {})
    put(resource, "contained", [*others, *([described] if described else [])])
    put(resource, "device", None if value is None else _reference(value, described))


def _described(value: Mapping[str, Any]) -> dict[str, Any] | None:
    said = {name: value[name] for name in _SAME if value.get(name) is not None}
    if value.get("udiCarrier") is not None:
        said["udiCarrier"] = [value["udiCarrier"]]
    return {"resourceType": "Device", "id": _ID, **said} if said else None


def _reference(value: Mapping[str, Any], described: dict[str, Any] | None) -> dict[str, Any]:
    """Name the EHR's own Device where it is known, the described one otherwise."""
    reference = dict(value.get("reference") or ({"reference": f"#{_ID}"} if described else {}))
    put_extension(reference, _PATIENT_OWNED, "valueBoolean", value.get("patientOwned"))
    return reference


def _read(resource: Resource) -> Any:
    reference = resource.get("device")
    if not isinstance(reference, Mapping):
        return None
    contained = _contained(resource) or {}
    said = {name: contained[name] for name in _SAME if name in contained}
    carriers = contained.get("udiCarrier", [])
    named = {name: item for name, item in reference.items() if name != "extension"}
    return {
        "reference": None if named.get("reference") == f"#{_ID}" else named or None,
        **said,
        "udiCarrier": carriers[0] if carriers else None,
        "patientOwned": extension_value(reference, _PATIENT_OWNED, "valueBoolean"),
    }


DEVICE = Field(name="device", read=_read, write=_write)
