"""Statuses that only go forward, by FHIR type: what was final is never preliminary again, and an error stays one. A table.

Which statuses an operation may start from is its mapping's; this is what none of them may do, and no late message either.

Source: HL7 FHIR R4 (4.0.1), value sets ``observation-status``, ``questionnaire-answers-status``, ``document-reference-status``,
``composition-status``, ``medication-statement-status``, ``medicationrequest-status``, ``immunization-status``, ``task-status``,
``request-status``, ``event-status``, ``list-status``, and ``verificationStatus`` of AllergyIntolerance and Condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What nothing follows.
ERROR = "entered-in-error"
#: type → element → statuses in their order; those of one step may follow each other, and what is not listed has no place in it.
ORDER: Mapping[str, Mapping[str, tuple[frozenset[str], ...]]] = {
    "Observation": {
        "status": (
            frozenset({"registered"}),
            frozenset({"preliminary"}),
            frozenset({"final"}),
            frozenset({"amended", "corrected"}),
            frozenset({"cancelled"}),
        )
    },
    "QuestionnaireResponse": {
        "status": (frozenset({"in-progress"}), frozenset({"completed", "stopped"}), frozenset({"amended"}))
    },
    "DocumentReference": {
        "status": (frozenset({"current"}), frozenset({"superseded"})),
        "docStatus": (frozenset({"preliminary"}), frozenset({"final"}), frozenset({"amended"})),
    },
    "MedicationStatement": {
        "status": (
            frozenset({"intended"}),
            frozenset({"active", "on-hold", "not-taken", "unknown"}),
            frozenset({"stopped", "completed"}),
        )
    },
    "MedicationRequest": {
        "status": (
            frozenset({"draft"}),
            frozenset({"active", "on-hold"}),
            frozenset({"stopped", "completed", "cancelled"}),
        )
    },
    "AllergyIntolerance": {"verificationStatus": (frozenset({"unconfirmed", "confirmed", "refuted"}),)},
    "Condition": {
        "verificationStatus": (frozenset({"unconfirmed", "provisional", "differential", "confirmed", "refuted"}),)
    },
    "Immunization": {"status": (frozenset({"completed", "not-done"}),)},
    "Task": {
        "status": (
            frozenset({"draft"}),
            frozenset({"requested", "received", "accepted", "ready"}),
            frozenset({"in-progress", "on-hold"}),
            frozenset({"completed", "failed", "cancelled", "rejected"}),
        )
    },
    "ServiceRequest": {
        "status": (frozenset({"draft"}), frozenset({"active", "on-hold"}), frozenset({"revoked", "completed"}))
    },
    "Communication": {
        "status": (
            frozenset({"preparation"}),
            frozenset({"in-progress", "on-hold"}),
            frozenset({"completed", "not-done", "stopped"}),
        )
    },
    "List": {"status": (frozenset({"current"}), frozenset({"retired"}))},
}


def backwards(resource_type: str, current: Mapping[str, Any], proposed: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the elements whose status would go back, given two projections of one entry; a status that is dropped goes back."""
    order = ORDER.get(resource_type, {})
    return tuple(name for name in order if _goes_back(order[name], current.get(name), proposed.get(name)))


def _goes_back(steps: tuple[frozenset[str], ...], now: Any, then: Any) -> bool:
    if now is None or now == then:
        return False
    if now == ERROR:
        return True
    place = _place(steps, now)
    following = _place(steps, then)
    return place is not None and then != ERROR and (following is None or following < place)


def _place(steps: tuple[frozenset[str], ...], status: Any) -> int | None:
    return next((at for at, step in enumerate(steps) if isinstance(status, str) and status in step), None)
