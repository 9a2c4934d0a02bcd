"""Synthetic actions that consist of others as an app sends them, consistent with themselves."""

from __future__ import annotations

from typing import Any

from tests.factories import (
    EFFECTIVE,
    RXNORM,
    Json,
    acknowledged_json,
    concept,
    medication_change_json,
    medication_seen_json,
    vital_reading_json,
)
from tests.list_factories import with_members

GAP = {"system": "urn:example:gaps", "value": "gap-17"}


def care_gap_closure_json(operation: str = "close", **over: Any) -> Json:
    """Return a ``CareGapClosure`` of a blood pressure not taken, closed by one reading, with what ``operation`` needs."""
    action: Json = {"type": "CareGapClosure", "operation": operation}
    if operation == "retract":
        return with_members(action | {"statusReason": {"text": "the cuff was broken"}}, over)
    action |= {
        "measure": concept("urn:example:measures", "CMS165", "Controlling high blood pressure"),
        "description": "Blood pressure taken at the visit",
        "executionPeriod": {"end": EFFECTIVE},
        "evidence": [vital_reading_json("blood-pressure")],
    }
    return with_members(action, over)


def listed_change_json(operation: str = "start", reference: str = "MedicationStatement/m3", **over: Any) -> Json:
    """Return one change of a reconciliation; ``over`` sets members of its target, which a ``start`` has none of.

    What is started is another medicine than those that are on the list.
    """
    other = {"medication": concept(RXNORM, "83367", "atorvastatin")} if operation == "start" else {}
    item: Json = {"action": medication_change_json(operation, **other)}
    if operation != "start":
        target = {
            "reference": reference,
            "versionId": "7",
            "seen": medication_seen_json(),
            "seenAt": "2026-03-10T14:40:00Z",
            "acknowledged": acknowledged_json(),
        }
        item["target"] = with_members(target, over)
    return item


def medication_reconciliation_json(operation: str = "reconcile", **over: Any) -> Json:
    """Return a ``MedicationReconciliation``: one started, one on hold, one unchanged; with what ``operation`` needs."""
    action: Json = {"type": "MedicationReconciliation", "operation": operation}
    if operation == "retract":
        return with_members(action | {"retractReason": "of another patient"}, over)
    action |= {
        "changes": [listed_change_json(), listed_change_json("hold")],
        "reviewed": [{"reference": "MedicationStatement/m4"}],
        "date": EFFECTIVE,
        "informationSourceRole": "patient",
        "verifiedBy": {"reference": "Practitioner/n1"},
    }
    return with_members(action, over)
