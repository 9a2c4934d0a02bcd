"""Required bindings and invariants that FHIR R4 puts on one type and the models leave open, as data. They repair nothing.

Source: HL7 FHIR R4 (4.0.1), AllergyIntolerance (ait-1, ait-2), Condition (con-1 … con-5), QuestionnaireResponse (qrs-1),
ServiceRequest (prr-1) and List (lst-1, lst-2), with their required value sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from canonical.concepts import codes as codes_of

_THO = "http://terminology.hl7.org/CodeSystem/"
ALLERGY_CLINICAL = _THO + "allergyintolerance-clinical"
ALLERGY_VERIFICATION = _THO + "allergyintolerance-verification"
CONDITION_CLINICAL = _THO + "condition-clinical"
CONDITION_VERIFICATION = _THO + "condition-ver-status"
CONDITION_CATEGORY = _THO + "condition-category"
ENTERED_IN_ERROR = "entered-in-error"
ABATEMENT = ("abatementDateTime", "abatementAge", "abatementPeriod", "abatementRange", "abatementString")


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: path of an element without positions → its required codes.
CODES: Mapping[str, frozenset[str]] = {
    "AllergyIntolerance.type": _codes("allergy intolerance"),
    "List.mode": _codes("working snapshot changes"),
    "AllergyIntolerance.category": _codes("food medication environment biologic"),
    "AllergyIntolerance.criticality": _codes("low high unable-to-assess"),
    "AllergyIntolerance.reaction.severity": _codes("mild moderate severe"),
    "ServiceRequest.intent": _codes(
        "proposal plan directive order original-order reflex-order filler-order instance-order option"
    ),
}
#: path of a ``CodeableConcept`` → the system of its required value set and the codes.
CONCEPTS: Mapping[str, tuple[str, frozenset[str]]] = {
    "AllergyIntolerance.clinicalStatus": (ALLERGY_CLINICAL, _codes("active inactive resolved")),
    "AllergyIntolerance.verificationStatus": (
        ALLERGY_VERIFICATION,
        _codes("unconfirmed confirmed refuted entered-in-error"),
    ),
    "Condition.clinicalStatus": (
        CONDITION_CLINICAL,
        _codes("active recurrence relapse inactive remission resolved"),
    ),
    "Condition.verificationStatus": (
        CONDITION_VERIFICATION,
        _codes("unconfirmed provisional differential confirmed refuted entered-in-error"),
    ),
}


def is_bound(place: str, value: Any) -> bool:
    """Whether ``value`` at ``place`` (``Type.element.inner``, no positions) is of the required value set there, if any."""
    if place in CODES:
        stated = value if isinstance(value, list) else [value]
        return all(isinstance(code, str) and code in CODES[place] for code in stated)
    if place in CONCEPTS:
        system, codes = CONCEPTS[place]
        return any(named == system and code in codes for named, code in codes_of(value))
    return True


def _is_error(resource: Mapping[str, Any], system: str) -> bool:
    return (system, ENTERED_IN_ERROR) in codes_of(resource.get("verificationStatus"))


def _items(resource: Mapping[str, Any], element: str) -> list[Mapping[str, Any]]:
    """Return the members of a list; what is none of FHIR's is told of by the models."""
    here = resource.get(element)
    return [item for item in here if isinstance(item, Mapping)] if isinstance(here, list) else []


def _con_1(resource: Mapping[str, Any]) -> bool:
    return all("summary" in stage or "assessment" in stage for stage in _items(resource, "stage"))


def _con_2(resource: Mapping[str, Any]) -> bool:
    return all("code" in evidence or "detail" in evidence for evidence in _items(resource, "evidence"))


def _con_3(resource: Mapping[str, Any]) -> bool:
    listed = (CONDITION_CATEGORY, "problem-list-item")
    on_list = any(listed in codes_of(item) for item in _items(resource, "category"))
    return not on_list or _is_error(resource, CONDITION_VERIFICATION) or "clinicalStatus" in resource


def _con_4(resource: Mapping[str, Any]) -> bool:
    over = {(CONDITION_CLINICAL, code) for code in ABATED}
    return not any(name in resource for name in ABATEMENT) or bool(over & codes_of(resource.get("clinicalStatus")))


def _qrs_1(element: Mapping[str, Any]) -> bool:
    """An item has further items below itself or below its answers, not both."""
    items = _items(element, "item")
    below = [*items, *(answer for item in items for answer in _items(item, "answer"))]
    return not any("answer" in item and "item" in item for item in items) and all(map(_qrs_1, below))


#: Clinical statuses that an abatement may stand beside.
ABATED = _codes("inactive remission resolved")
#: resource type → invariant → whether a resource keeps it.
INVARIANTS: Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "AllergyIntolerance": {
        "ait-1": lambda it: _is_error(it, ALLERGY_VERIFICATION) or "clinicalStatus" in it,
        "ait-2": lambda it: not _is_error(it, ALLERGY_VERIFICATION) or "clinicalStatus" not in it,
    },
    "Condition": {
        "con-1": _con_1,
        "con-2": _con_2,
        "con-3": _con_3,
        "con-4": _con_4,
        "con-5": lambda it: not _is_error(it, CONDITION_VERIFICATION) or "clinicalStatus" not in it,
    },
    "QuestionnaireResponse": {"qrs-1": _qrs_1},
    "ServiceRequest": {"prr-1": lambda it: "orderDetail" not in it or "code" in it},
    "List": {
        "lst-1": lambda it: "emptyReason" not in it or not _items(it, "entry"),
        "lst-2": lambda it: it.get("mode") == "changes" or not any("deleted" in item for item in _items(it, "entry")),
    },
}


def broken(resource_type: str, resource: Mapping[str, Any]) -> Iterator[str]:
    """Yield the invariants that a resource breaks, as ``Type: key``."""
    for key, is_kept in INVARIANTS.get(resource_type, {}).items():
        if not is_kept(resource):
            yield f"{resource_type}: {key}"
