"""Whether a resource in the chart says what an action said: compared as written, by the action and not by our adapter."""

from collections.abc import Mapping
from typing import Any

from canonical import exact_json
from cli.demo.people import Resource

#: What a version may differ in from the one before it, whatever the action says.
_ALWAYS = frozenset({"meta", "identifier", "status", "text", "note"})
#: Our word for an element → FHIR's.
_ELEMENTS = {"medication": "medicationCodeableConcept"}
_VITAL_STATUS = {"record": "final", "correct": "corrected", "retract": "entered-in-error"}
_LIST_STATUS = {"start": "active", "changeDose": "active", "stop": "stopped", "hold": "on-hold"}
#: Elements compared as written, by resource type.
_COMPARED = {
    "Observation": ("effectiveDateTime", "valueQuantity", "component"),
    "MedicationStatement": ("dosage", "effectivePeriod", "statusReason", "basedOn", "dateAsserted"),
}


def wrong_elements(envelope: Mapping[str, Any], written: Resource, before: Resource | None) -> list[str]:
    """Return the elements of the version written that are not as the envelope says.

    Args:
        envelope: wire JSON of the command.
        written: the version that it wrote.
        before: the version it replaced; None for a create.
    """
    action = envelope["action"]
    kind = "Observation" if action["type"] == "VitalReading" else "MedicationStatement"
    wrong = [] if written.get("resourceType") == kind else ["resourceType"]
    wrong += [] if _is_subject(written, envelope) else ["subject"]
    statuses = _VITAL_STATUS if kind == "Observation" else _LIST_STATUS
    wrong += [] if written.get("status") == statuses[action["operation"]] else ["status"]
    wrong += [] if _codes(action) <= _codes(written) else ["code"]
    wrong += [name for name in _COMPARED[kind] if name in action and not _same(action[name], written.get(name))]
    return wrong + _touched(action, written, before)


def _is_subject(written: Resource, envelope: Mapping[str, Any]) -> bool:
    reference: str = written.get("subject", {}).get("reference", "")
    return bool(reference == envelope["patient"]["reference"])


def _codes(element: Mapping[str, Any]) -> set[tuple[str, str]]:
    concepts = (element.get(name) or {} for name in ("code", "medication", "medicationCodeableConcept"))
    return {(it.get("system", ""), it.get("code", "")) for concept in concepts for it in concept.get("coding", [])}


def _same(said: Any, charted: Any) -> bool:
    """Whether the chart repeats every member that was said, numbers digit by digit; it may say more."""
    if isinstance(said, Mapping):
        return isinstance(charted, Mapping) and all(_same(it, charted.get(name)) for name, it in said.items())
    if isinstance(said, list):
        return isinstance(charted, list) and len(said) == len(charted) and all(map(_same, said, charted))
    return exact_json.dumps(said) == exact_json.dumps(charted)


def _touched(action: Mapping[str, Any], written: Resource, before: Resource | None) -> list[str]:
    """Return what was changed though the action does not speak of it."""
    if before is None:
        return []
    may_change = _ALWAYS | {_ELEMENTS.get(name, name) for name in action} | _kept_elsewhere(action)
    names = (set(before) | set(written)) - may_change
    return sorted(name for name in names if before.get(name) != written.get(name))


def _kept_elsewhere(action: Mapping[str, Any]) -> frozenset[str]:
    """Return elements in which R4 keeps what has no element of its own name: origin and role of the performer."""
    return frozenset({"performer", "extension"}) if action["operation"] == "correct" else frozenset()
