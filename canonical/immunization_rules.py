"""What a vaccination record may say: which fields an operation takes, codes, amount, times, people. Not what the chart has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from canonical.action import Finding
from canonical.clinical_context import birth_errors, future_errors, note_times
from canonical.code_systems import CVX, NDC
from canonical.concepts import syntax_errors
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.people import named_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from canonical.actions.immunization_record import ImmunizationRecord
    from canonical.datatypes import CodeableConcept
    from canonical.envelope import Envelope

_FRAME = frozenset({"type", "operation"})
OCCURRENCE = ("occurrenceDateTime", "occurrenceString")
#: What only a dose has that was given.
OF_A_DOSE = ("lotNumber", "expirationDate", "manufacturer", "site", "route", "doseQuantity", "reaction")
_ORIGIN = ("primarySource", "reportOrigin")
_DESCRIPTION = (
    *("vaccineCode", *OCCURRENCE, *_ORIGIN, *OF_A_DOSE, "performer", "fundingSource", "programEligibility"),
    *("protocolApplied", "reasonCode", "note"),
)
#: operation → fields it takes. ``vaccineCode``, where it is not written, names the vaccination meant.
TAKES: Mapping[str, tuple[str, ...]] = {
    "record": (*_DESCRIPTION, "recorded"),
    "recordNotDone": (
        *("vaccineCode", *OCCURRENCE, *_ORIGIN, "statusReason", "performer", "programEligibility"),
        *("protocolApplied", "note", "recorded"),
    ),
    "correct": (*_DESCRIPTION, "statusReason"),
    "retract": ("vaccineCode", "changeReason", "note"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "record": ("vaccineCode", "primarySource"),
    "recordNotDone": ("vaccineCode", "statusReason"),
    "retract": ("changeReason",),
}
#: What ``correct`` may clear by ``null``: nothing without which nobody knows what was given, and when.
CLEARABLE = frozenset(_DESCRIPTION) - {"vaccineCode", *OCCURRENCE, "primarySource", "note"}
#: A package in eleven digits, or in three parts. Source: FDA, National Drug Code.
_NDC_CODE = re.compile(r"\d{10,11}|\d{4,5}-\d{3,4}-\d{1,2}")
_PERFORMERS = frozenset({"Practitioner", "PractitionerRole", "Organization"})
#: Written by hand the two are read as a number: ISMP's list of error-prone abbreviations.
_UNSAFE_UNITS = frozenset({"u", "iu"})


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def presence_errors(action: ImmunizationRecord) -> list[FieldError]:
    """Return what an operation lacks, has without taking it, or cannot clear."""
    there = stated(action)
    wrong = [
        *required_errors(action, REQUIRED.get(action.operation, ())),
        *unwanted_errors(
            action, sorted(there - _FRAME - set(TAKES[action.operation])), f"'{action.operation}' does not have it"
        ),
        *clear_errors(action, CLEARABLE if action.operation == "correct" else ()),
    ]
    said = there & set(OCCURRENCE)
    if action.operation.startswith("record") and not said:
        wrong.append(_error("occurrenceDateTime", "required", "say when, as exactly as it is known"))
    if len(said) > 1:
        wrong.append(_error("occurrenceString", "one-of", "state when in one form only"))
    if action.operation == "correct" and not set(action.as_json()) - _FRAME:
        wrong.append(FieldError(pointer="/action", code="nothing-to-change", detail="state what is to be corrected"))
    return wrong


def origin_errors(action: ImmunizationRecord) -> list[FieldError]:
    """Return what does not fit where the record is from: whoever gave a dose knows the day; a report says whose it is."""
    if action.primary_source is True and action.report_origin is not None:
        return [_error("reportOrigin", "reported-and-primary", "whoever gave the dose reports it from nobody else")]
    if action.operation != "record":
        return []
    day = action.occurrence_date_time
    if action.primary_source is True and (day is None or not day.is_full_date):
        return [_error("occurrenceDateTime", "day-required", "a dose given here has a day; a past one is reported")]
    if action.primary_source is False and action.report_origin is None:
        return [_error("reportOrigin", "required", "say where the report is from")]
    return []


def concepts(action: ImmunizationRecord) -> Iterator[tuple[str, CodeableConcept]]:
    """Yield every coded field with its pointer."""
    alone = {
        "vaccineCode": action.vaccine_code,
        "reportOrigin": action.report_origin,
        "site": action.site,
        "route": action.route,
        "fundingSource": action.funding_source,
        "statusReason": action.status_reason,
    }
    yield from ((f"/action/{name}", concept) for name, concept in alone.items() if concept is not None)
    for at, concept in enumerate(action.reason_code or ()):
        yield f"/action/reasonCode/{at}", concept
    for at, protocol in enumerate(action.protocol_applied or ()):
        for number, concept in enumerate(protocol.target_disease or ()):
            yield f"/action/protocolApplied/{at}/targetDisease/{number}", concept


def code_errors(action: ImmunizationRecord) -> list[FieldError]:
    """Return what is wrong with the codes: impossible ones, and a vaccine without a CVX code."""
    wrong = [error for pointer, concept in concepts(action) for error in syntax_errors(pointer, concept)]
    vaccine = action.vaccine_code
    if vaccine is None:
        return wrong
    if vaccine.code_in(CVX) is None:
        wrong.append(_error("vaccineCode", "cvx-required", "name the vaccine by its CVX code, an NDC beside it"))
    for at, coding in enumerate(vaccine.coding or ()):
        if coding.system == NDC and _NDC_CODE.fullmatch(coding.code or "") is None:
            detail = "an NDC has 10 or 11 digits, or three parts"
            wrong.append(_error(f"vaccineCode/coding/{at}/code", "code-syntax", detail))
    return wrong


def amount_errors(action: ImmunizationRecord) -> list[FieldError]:
    """Return what is wrong with the amount: no number, no unit, nothing or less, a unit that is misread."""
    dose = action.dose_quantity
    if dose is None:
        return []
    wrong = []
    if dose.value is None:
        wrong.append(_error("doseQuantity/value", "required", "an amount needs a number"))
    elif dose.value <= 0:
        wrong.append(_error("doseQuantity/value", "dose-not-positive", "an amount is more than 0"))
    if dose.unit is None and dose.code is None:
        wrong.append(_error("doseQuantity/unit", "unit-required", "an amount without a unit can be any amount"))
    elif set(re.findall(r"[a-z]+", (dose.unit or "").casefold())) & _UNSAFE_UNITS:
        wrong.append(_error("doseQuantity/unit", "unit-abbreviation", "write 'units' or 'international units'"))
    return wrong


def time_errors(envelope: Envelope, action: ImmunizationRecord, now: datetime) -> list[FieldError]:
    """Return which times lie ahead or before birth; a lot may expire later."""
    times = [
        ("/action/occurrenceDateTime", action.occurrence_date_time),
        ("/action/recorded", action.recorded),
        *((f"/action/reaction/{at}/date", one.date) for at, one in enumerate(action.reaction or ())),
    ]
    wrong = future_errors([*times, *note_times(action.note)], now)
    return wrong + [error for pointer, time in times for error in birth_errors(envelope, pointer, time)]


def people_errors(action: ImmunizationRecord) -> list[FieldError]:
    """Return which of performers and manufacturer nobody could find."""
    wrong = [
        error
        for at, performer in enumerate(action.performer or ())
        for error in named_error(f"/action/performer/{at}/actor", performer.actor, _PERFORMERS)
    ]
    maker = action.manufacturer
    # A manufacturer is mostly known by name alone.
    literal = maker is not None and maker.reference is not None
    return wrong + (named_error("/action/manufacturer", maker, frozenset({"Organization"})) if literal else [])


def findings(action: ImmunizationRecord) -> list[Finding]:
    """Return what a person should see of a dose that was given, which is written all the same: it did happen."""
    found = []
    given, expires = action.occurrence_date_time, action.expiration_date
    if given is not None and expires is not None and given.interval[0] >= expires.interval[1]:
        found.append(
            _finding("expired_vaccine", "high", "/action/expirationDate", "the lot had expired when it was given")
        )
    if action.operation == "record" and action.primary_source is True and action.lot_number is None:
        detail = "a dose given here without its lot number is not found by a recall"
        found.append(_finding("no_lot_number", "low", "/action/lotNumber", detail))
    return found


def _finding(kind: str, severity: str, pointer: str, detail: str) -> Finding:
    return Finding(kind=kind, severity=severity, holds=False, pointer=pointer, detail=detail)
