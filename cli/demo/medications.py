"""Changes of the documented medication list as the pharmacy's app would send them; it prescribes nothing."""

from typing import Any

from canonical.code_systems import SNOMED_CT, UCUM
from cli.demo.people import Medication, Resource

_BY_MOUTH = {"coding": [{"system": SNOMED_CT, "code": "26643006", "display": "Oral route"}], "text": "by mouth"}
#: RxNorm's term type of a branded or generic drug with its strength and form, as the charts name them.
_TERM_TYPE = "SCD"


def start(medication: Medication, today: str) -> dict[str, Any]:
    """Document that a patient takes such a medicine as somebody's list has, since today."""
    return {
        **_change("start", medication.statement),
        "dosage": [_once(medication.statement)],
        "effectivePeriod": {"start": today},
        "dateAsserted": today,
        "category": "community",
        "informationSourceRole": "patient",
    }


def change_dose(medication: Medication, today: str) -> dict[str, Any]:
    """Document that the patient takes it twice a day now."""
    return {
        **_change("changeDose", medication.statement),
        "dosage": [_twice(medication.statement)],
        "dateAsserted": today,
    }


def stop(resource: Resource, today: str) -> dict[str, Any]:
    """Document that the patient takes it no more; `resource` is the entry, or an order that is not ours."""
    return {
        **_change("stop", resource),
        "statusReason": [{"text": "Side effects reported by the patient"}],
        "dateAsserted": today,
    }


def hold(medication: Medication, today: str) -> dict[str, Any]:
    """Document a pause."""
    return {
        **_change("hold", medication.statement),
        "statusReason": [{"text": "Paused before a procedure"}],
        "dateAsserted": today,
    }


def directed(bundle: Resource) -> Resource:
    """Return the Bundle with directions on every entry of the documented list, as a chart that is kept has them."""
    return {**bundle, "entry": [{**entry, "resource": _directed(entry["resource"])} for entry in bundle["entry"]]}


def _directed(resource: Resource) -> Resource:
    return {**resource, "dosage": [_once(resource)]} if resource["resourceType"] == "MedicationStatement" else resource


def thrice(resource: Resource) -> Resource:
    """Return an entry as a clinician changed it meanwhile: taken three times a day."""
    return {
        **resource,
        "dosage": [_dosage(resource, f"Take 1 {_counted(resource)} by mouth three times daily", frequency=3)],
    }


def target(resource: Resource, *, seen_at: str, by: dict[str, str]) -> dict[str, Any]:
    """Return the target as its author saw and acknowledged it: the seeded version, and the medicine on the screen."""
    return {
        "reference": f"{resource['resourceType']}/{resource['id']}",
        "versionId": "1",
        "seenAt": seen_at,
        "seen": {"medication": resource["medicationCodeableConcept"], **_directions(resource)},
        "acknowledged": {"by": by, "when": seen_at},
    }


def _directions(resource: Resource) -> dict[str, Any]:
    return {"dosage": resource["dosage"]} if "dosage" in resource else {}


def _change(operation: str, resource: Resource) -> dict[str, Any]:
    return {
        "type": "MedicationChange",
        "operation": operation,
        "medication": resource["medicationCodeableConcept"],
        "medicationTermType": _TERM_TYPE,
    }


def _counted(resource: Resource) -> str:
    return "capsule" if "Capsule" in resource["medicationCodeableConcept"]["text"] else "tablet"


def _once(resource: Resource) -> dict[str, Any]:
    return _dosage(resource, f"Take 1 {_counted(resource)} by mouth once daily", frequency=1)


def _twice(resource: Resource) -> dict[str, Any]:
    return _dosage(resource, f"Take 1 {_counted(resource)} by mouth twice daily", frequency=2)


def _dosage(resource: Resource, text: str, *, frequency: int) -> dict[str, Any]:
    thing = _counted(resource)
    quantity = {"value": 1, "unit": thing, "system": UCUM, "code": f"{{{thing}}}"}
    return {
        "sequence": 1,
        "text": text,
        "timing": {"repeat": {"frequency": frequency, "period": 1, "periodUnit": "d"}},
        "route": _BY_MOUTH,
        "doseAndRate": [{"doseQuantity": quantity}],
    }
