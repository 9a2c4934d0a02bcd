"""What the suite writes: for every operation of every action the smallest example, and how its target comes to be.

The operations are the registry's; one that has no example here fails the suite by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from canonical.action import action_specs
from tests.compound_factories import care_gap_closure_json, listed_change_json, medication_reconciliation_json
from tests.conformance.connection import Connection
from tests.factories import (
    ABSENT,
    SNOMED_CT,
    Json,
    acknowledged_json,
    care_message_json,
    care_task_json,
    clinical_note_json,
    concept,
    dosage_json,
    medication_change_json,
    quantity,
    target_json,
    vital_reading_json,
)
from tests.list_factories import allergy_update_json, problem_update_json, reaction_json
from tests.record_factories import (
    SEVERAL_DAYS,
    immunization_record_json,
    order_request_json,
    patient_reported_outcome_json,
    phq_items,
)

Key = tuple[str, str]


def _vital(operation: str) -> Json:
    changed: Json = {"valueQuantity": quantity("72.60", "kg", "kg"), "note": [{"text": "read again"}]}
    return vital_reading_json(operation=operation, **(changed if operation == "correct" else {}))


#: action → how an example of one of its operations is made.
MAKERS: Mapping[str, Callable[[str], Json]] = {
    "AllergyUpdate": allergy_update_json,
    "CareGapClosure": care_gap_closure_json,
    "CareMessage": care_message_json,
    "CareTask": care_task_json,
    "ClinicalNote": clinical_note_json,
    "ImmunizationRecord": immunization_record_json,
    "MedicationChange": medication_change_json,
    "MedicationReconciliation": medication_reconciliation_json,
    "OrderRequest": order_request_json,
    "PatientReportedOutcome": patient_reported_outcome_json,
    "ProblemUpdate": problem_update_json,
    "VitalReading": _vital,
}
#: operation → what happened to its target before, besides the action's first creating operation.
BEFORE: Mapping[Key, tuple[str, ...]] = {
    ("AllergyUpdate", "removeReaction"): ("record",),
    ("AllergyUpdate", "withdrawNoneKnown"): ("assertNoneKnown",),
    ("MedicationChange", "resume"): ("start", "hold"),
    ("ProblemUpdate", "reactivate"): ("add", "resolve"),
}
#: What an example says otherwise than its factory, wherever it is sent.
_SAYS: Mapping[Key, Json] = {
    ("AllergyUpdate", "update"): {"criticality": "low"},
    ("AllergyUpdate", "addReaction"): {
        "reaction": [reaction_json(manifestation=[concept(SNOMED_CT, "271807003", "rash")], severity="moderate")]
    },
    ("MedicationChange", "correct"): {
        "dosage": [{"text": "Take 1 tablet by mouth at bedtime", "route": dosage_json()["route"]}]
    },
    ("MedicationChange", "changeDose"): {"statusReason": [{"text": "blood pressure still high"}]},
    # What it changes besides would have to be on the list before.
    ("MedicationReconciliation", "reconcile"): {"changes": [listed_change_json()], "reviewed": ABSENT},
    ("PatientReportedOutcome", "correct"): {"item": phq_items(SEVERAL_DAYS)},
}
#: operation → what the example of its target says otherwise.
TARGET_SAYS: Mapping[Key, Json] = {
    ("AllergyUpdate", "update"): {"criticality": "low"},
    ("ClinicalNote", "replace"): {"docStatus": "preliminary", "authenticator": ABSENT},
}


def operations() -> list[Key]:
    """Return every operation of every action that there is."""
    return [(spec.type, operation) for spec in action_specs().values() for operation in spec.operations]


def creating(action: str) -> str:
    """Return the operation by which the entries of an action come to be."""
    return next(name for name, rule in action_specs()[action].operations.items() if rule.creates)


def before(action: str, operation: str) -> tuple[str, ...]:
    """Return the operations that make the target of one, in order."""
    return BEFORE.get((action, operation), (creating(action),))


def example(action: str, operation: str, connection: Connection, says: Json | None = None) -> Json:
    """Return the action as an app of this connection sends it, with what it ``says`` otherwise this time.

    Raises ``KeyError`` naming an action without an example.
    """
    if action not in MAKERS:
        raise KeyError(f"tests/conformance/examples.py has no example of {action}.{operation}")
    made: Json = {**MAKERS[action](operation), **_SAYS.get((action, operation), {})}
    # What a connection says otherwise of an action is said where the operation states it at all.
    made |= {name: value for name, value in connection.says.get(action, {}).items() if name in made}
    made |= {**connection.says.get((action, operation), {}), **(says or {})}
    return {name: value for name, value in made.items() if value is not ABSENT}


def about(said: Any, patient: str) -> Any:
    """Return what is said with the examples' patient as ``patient`` (an id)."""
    if isinstance(said, dict):
        return {name: about(item, patient) for name, item in said.items()}
    if isinstance(said, list):
        return [about(item, patient) for item in said]
    return f"Patient/{patient}" if said == "Patient/p1" else said


def made_up_target(action: Json) -> dict[str, Any]:
    """Return a target that is in no chart, for what is never sent."""
    return target_json(action)


def acknowledged() -> Json:
    """Return the acknowledgement of what is about to be changed."""
    return acknowledged_json()
