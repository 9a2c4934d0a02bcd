"""Synthetic patients with a little history, made by `carebundle` and fitted to a chart; never real people."""

import re
import uuid
from typing import Any

import carebundle
from carebundle.generate import LEAN_PANELS

from sandbox import written_json
from sandbox.resource_types import RESOURCE_TYPES

_URN = re.compile(r"urn:uuid:([0-9a-f-]{36})")
#: Names of the resources derived here, so that the same seed gives the same ids.
_NAMESPACE = uuid.UUID("5f0c9b0e-2c0e-4b6f-9a55-6f8c4f6e3a11")


def synthetic_bundle(seed: int, count: int) -> dict[str, Any]:
    """Patients with their encounters, observations, conditions and medications, as a collection Bundle.

    The same seed and count give the same Bundle. Every resource has an id, every reference is a relative one
    into the Bundle. A patient's medications appear twice, as charts have them: as the prescriber's
    MedicationRequest and as the MedicationStatement of what is taken.

    Args:
        seed: any integer.
        count: number of patients, at least 1.
    """
    cohort = carebundle.generate_cohort(count=count, seed=seed, panels=LEAN_PANELS)
    resources = [resource for bundle in cohort for resource in _resources_of(carebundle.to_json(bundle))]
    statements = [_statement(it) for it in resources if it["resourceType"] == "MedicationRequest"]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in [*resources, *statements]],
    }


def _resources_of(text: str) -> list[dict[str, Any]]:
    entries = written_json.loads(text)["entry"]
    types = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in entries}
    return [
        {**_with_relative_references(entry["resource"], types), "id": _id(entry["fullUrl"])}
        for entry in entries
        if entry["resource"]["resourceType"] in RESOURCE_TYPES
    ]


def _with_relative_references(element: Any, types: dict[str, str]) -> Any:
    if isinstance(element, list):
        return [_with_relative_references(item, types) for item in element]
    if not isinstance(element, dict):
        return element
    changed = {name: _with_relative_references(child, types) for name, child in element.items()}
    target = changed.get("reference")
    if isinstance(target, str) and target in types:
        changed["reference"] = f"{types[target]}/{_id(target)}"
    return changed


def _id(url: str) -> str:
    found = _URN.fullmatch(url)
    if found is None:
        raise ValueError("an entry of the generated Bundle is not named by a UUID")
    return found[1]


def _statement(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement",
        "id": str(uuid.uuid5(_NAMESPACE, request["id"])),
        "basedOn": [{"reference": f"MedicationRequest/{request['id']}"}],
        "status": "active",
        "medicationCodeableConcept": request["medicationCodeableConcept"],
        "subject": request["subject"],
        "context": request["encounter"],
        "effectivePeriod": {"start": request["authoredOn"]},
        "dateAsserted": request["authoredOn"],
        "informationSource": request["subject"],
    }
