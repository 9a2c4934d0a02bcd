"""What may be proposed for a clinician to order, and what is refused: fields by operation, codes, times, people. No order."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from canonical.action import Finding
from canonical.clinical_context import birth_errors, future_errors, note_times
from canonical.code_systems import CVX, NDC, RXNORM
from canonical.concepts import codes, syntax_errors, words
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.people import STAFF, named_error, named_errors
from canonical.wording import holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from canonical.actions.order_request import OrderRequest
    from canonical.datatypes import CodeableConcept
    from canonical.envelope import Envelope

_FRAME = frozenset({"type", "operation"})
OCCURRENCE = ("occurrenceDateTime", "occurrencePeriod", "occurrenceTiming")
_WHAT = ("code", "orderDetail", "category", "quantityQuantity", "bodySite", "specimen")
_WHY = ("reasonCode", "reasonReference", "supportingInfo")
_DESCRIPTION = (*_WHAT, *_WHY, *OCCURRENCE, "priority", "performerType", "performer", "patientInstruction", "note")
#: operation → fields it takes; in ``cancel`` the ``code`` names the proposal meant.
TAKES: Mapping[str, tuple[str, ...]] = {
    "propose": (*_DESCRIPTION, "intent", "basedOn", "requester", "authoredOn"),
    "update": _DESCRIPTION,
    "cancel": ("code", "statusReason", "note"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {"propose": ("code",), "cancel": ("statusReason",)}
#: What ``update`` may clear by ``null``; nothing without which nobody knows what is proposed.
CLEARABLE = frozenset(_DESCRIPTION) - {"code", "note"}
#: Code system of a medicine or vaccine → what records it instead.
_MEDICINES: Mapping[str, str] = {
    RXNORM: "MedicationChange, which documents it",
    NDC: "MedicationChange, which documents it",
    CVX: "ImmunizationRecord, which records a dose that was given",
}
_REQUESTERS = STAFF - {"Group", "CareTeam", "HealthcareService"} | {"Patient", "RelatedPerson", "Device"}
#: Source: HL7 FHIR R4 (4.0.1), ``ServiceRequest.performer``.
_PERFORMERS = STAFF - {"Group"} | {"Patient", "RelatedPerson", "Device"}


@cache
def medicine_words() -> tuple[str, ...]:
    """Return the words by which a request reads as one for a medicine."""
    data = tomllib.loads(files("canonical").joinpath("data/order_wording.toml").read_text("utf-8"))
    return tuple(data["medicine"])


def presence_errors(action: OrderRequest) -> list[FieldError]:
    """Return what an operation lacks, has without taking it, or cannot clear."""
    there = stated(action)
    wrong = [
        *required_errors(action, REQUIRED.get(action.operation, ())),
        *unwanted_errors(
            action, sorted(there - _FRAME - set(TAKES[action.operation])), f"'{action.operation}' does not have it"
        ),
        *clear_errors(action, CLEARABLE if action.operation == "update" else ()),
    ]
    when = [name for name in OCCURRENCE if name in there]
    wrong += [_error(name, "one-of", "state when in one form only") for name in when[1:]]
    if "orderDetail" in there and action.operation == "update" and action.code is None:
        wrong.append(
            _error("code", "required", "a detail is one of something: state the code with it (invariant prr-1)")
        )
    if action.operation == "update" and not set(action.as_json()) - _FRAME:
        wrong.append(FieldError(pointer="/action", code="nothing-to-change", detail="state what is to be changed"))
    return wrong


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def concepts(action: OrderRequest) -> Iterator[tuple[str, CodeableConcept]]:
    """Yield every coded field with its pointer, what is asked for first."""
    if action.code is not None:
        yield "/action/code", action.code
    lists = {
        "orderDetail": action.order_detail,
        "category": action.category,
        "bodySite": action.body_site,
        "reasonCode": action.reason_code,
    }
    for name, found in lists.items():
        yield from ((f"/action/{name}/{at}", concept) for at, concept in enumerate(found or ()))


def _asked_for(action: OrderRequest) -> Iterator[tuple[str, CodeableConcept]]:
    """Yield the concepts that say what is asked for, and not where or why: a reason may well be a medicine."""
    yield from ((pointer, concept) for pointer, concept in concepts(action) if not pointer.startswith(_ELSEWHERE))


_ELSEWHERE = ("/action/reasonCode", "/action/bodySite")


def code_errors(action: OrderRequest) -> list[FieldError]:
    """Return what is wrong with the codes: impossible ones, and medicines, which nobody orders through us."""
    wrong = [error for pointer, concept in concepts(action) for error in syntax_errors(pointer, concept)]
    for pointer, concept in _asked_for(action):
        instead = next(
            (_MEDICINES[system] for system, _ in sorted(codes(concept.as_json())) if system in _MEDICINES), None
        )
        if instead is not None:
            detail = f"a medicine is prescribed in the EHR; what is taken or was given is told by {instead}"
            wrong.append(FieldError(pointer=pointer, code="medication-order", detail=detail))
    return wrong


def amount_errors(action: OrderRequest) -> list[FieldError]:
    """Return an error when the amount is no number, or nothing or less."""
    quantity = action.quantity_quantity
    if quantity is None or (quantity.value is not None and quantity.value > 0):
        return []
    return [_error("quantityQuantity/value", "not-positive", "an amount is a number above 0")]


def time_errors(envelope: Envelope, action: OrderRequest, now: datetime) -> list[FieldError]:
    """Return an error when it was asked for ahead of now or before birth; when it is to be done may lie ahead."""
    return [
        *future_errors([("/action/authoredOn", action.authored_on), *note_times(action.note)], now),
        *birth_errors(envelope, "/action/authoredOn", action.authored_on),
    ]


def people_errors(action: OrderRequest) -> list[FieldError]:
    """Return which of requester and performers nobody could find."""
    return [
        *named_error("/action/requester", action.requester, _REQUESTERS),
        *named_errors("/action/performer", action.performer, _PERFORMERS),
    ]


def findings(action: OrderRequest) -> list[Finding]:
    """Return the proposal that reads as one for a medicine although no code says so: a person decides before it is sent."""
    if action.operation == "cancel":
        return []
    said = [
        pointer for pointer, concept in _asked_for(action) for text in words(concept.as_json()) if _is_medicine(text)
    ]
    detail = "it reads as a request for a medicine, which is prescribed in the EHR"
    return [
        Finding(kind="reads_as_medication", severity="medium", holds=True, pointer=pointer, detail=detail)
        for pointer in said[:1]
    ]


def _is_medicine(text: str) -> bool:
    return holds(text, medicine_words())
