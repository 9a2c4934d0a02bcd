"""What may not stand in a dosage on a medication list: refusals, by pointer. Whether text and numbers agree is elsewhere.

Sources: ISMP list of error-prone abbreviations; The Joint Commission "Do Not Use" list; ``data/medication_safety.toml``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from canonical.code_systems import GTS_ABBREVIATION, RXNORM, SNOMED_CT
from canonical.errors import FieldError
from canonical.medication_safety import counted_unit, safety_lists
from canonical.sig_text import rates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canonical.actions.medication_change import MedicationChange
    from canonical.datatypes import Quantity
    from canonical.dosage import Dosage, Timing, TimingRepeat

_SNOMED_ID = re.compile(r"[1-9]\d{5,17}")
#: Read as 0, 4 or "cc" when written by hand, and as IV: spelled out as "units" or "international units".
_UNSAFE_UNITS = frozenset({"u", "iu"})
#: RxNorm term types whose code already says form and strength.
_PRODUCTS = frozenset({"SCD", "SBD", "GPCK", "BPCK"})


def _error(pointer: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{pointer}", code=code, detail=detail)


def _amounts(action: MedicationChange) -> Iterator[tuple[str, Quantity]]:
    for at, dosage in enumerate(action.dosage or ()):
        yield from ((f"dosage/{at}/{pointer}", quantity) for pointer, quantity in dosage.quantities())
    if action.strength is not None:
        for half, quantity in (("numerator", action.strength.numerator), ("denominator", action.strength.denominator)):
            if quantity is not None:
                yield f"strength/{half}", quantity


def amount_errors(action: MedicationChange) -> list[FieldError]:
    """Return what is wrong with amounts: no number, no unit, a unit that is misread, nothing or less than nothing."""
    wrong = []
    for pointer, quantity in _amounts(action):
        words = set(re.findall(r"[a-z]+", (quantity.unit or "").casefold()))
        if quantity.value is None:
            wrong.append(_error(f"{pointer}/value", "required", "an amount needs a number"))
        elif quantity.value < 0 or (quantity.value == 0 and not pointer.endswith("/low")):
            wrong.append(_error(f"{pointer}/value", "dose-not-positive", "an amount is more than 0"))
        if quantity.unit is None and quantity.code is None:
            wrong.append(_error(f"{pointer}/unit", "unit-required", "an amount without a unit can be any amount"))
        elif words & _UNSAFE_UNITS:
            detail = "'U' and 'IU' are misread: write 'units' or 'international units'"
            wrong.append(_error(f"{pointer}/unit", "unit-abbreviation", detail))
    return wrong


def route_errors(action: MedicationChange) -> list[FieldError]:
    """Return an error for each dosage whose route is missing or not a SNOMED CT concept."""
    wrong = []
    for at, dosage in enumerate(action.dosage or ()):
        code = dosage.route.code_in(SNOMED_CT) if dosage.route else None
        if code is None:
            wrong.append(_error(f"dosage/{at}/route", "route-required", "state the route as a SNOMED CT concept"))
        elif _SNOMED_ID.fullmatch(code) is None:
            wrong.append(_error(f"dosage/{at}/route", "snomed-syntax", "no SNOMED CT identifier"))
    return wrong


def strength_errors(action: MedicationChange) -> list[FieldError]:
    """Return what is missing where a dose is counted in tablets or the like and the code is not known to be a product."""
    if action.medication_term_type in _PRODUCTS:
        return []
    doses = [quantity for pointer, quantity in _amounts(action) if "/dose" in pointer or "/maxDose" in pointer]
    if not any(counted_unit(dose.unit) or counted_unit(dose.code) for dose in doses):
        return []
    detail = "a counted dose needs it, unless medicationTermType says that the code is a product (SCD, SBD, GPCK, BPCK)"
    stated = {"form": action.form, "strength": action.strength}
    return [_error(name, "strength-required", detail) for name, value in stated.items() if value is None]


def _is_bounded(dosage: Dosage) -> bool:
    """Whether an as-needed dosage says how often at most, or how much at most."""
    if dosage.max_dose_per_period is not None:
        return True
    timing = dosage.timing
    repeat = timing.repeat if timing else None
    if repeat is None:
        return timing is not None and timing.code is not None
    return any(
        limit is not None for limit in (repeat.period, repeat.count, repeat.count_max, repeat.time_of_day, repeat.when)
    )


def as_needed_errors(action: MedicationChange) -> list[FieldError]:
    """Return an error for each as-needed dosage with neither a least interval nor a most amount."""
    detail = "as needed without a least interval or a maximum: state timing.repeat.period or maxDosePerPeriod"
    return [
        _error(f"dosage/{at}/maxDosePerPeriod", "as-needed-open-ended", detail)
        for at, dosage in enumerate(action.dosage or ())
        if dosage.is_as_needed and not _is_bounded(dosage)
    ]


def _is_once(repeat: TimingRepeat) -> bool:
    several = (repeat.day_of_week, repeat.time_of_day, repeat.when)
    often = (repeat.frequency, repeat.frequency_max)
    return all(len(moments or ()) <= 1 for moments in several) and all(times in {None, 1} for times in often)


def _is_weekly(timing: Timing | None) -> bool:
    """Whether a timing says once a week, or says nothing."""
    if timing is None:
        return True
    repeat = timing.repeat
    code = timing.code.code_in(GTS_ABBREVIATION) if timing.code else None
    if timing.event is not None or (timing.code is not None and code != "WK"):
        return False
    if repeat is None:
        return code == "WK"
    week = {"wk": 1, "d": 7}.get(repeat.period_unit or "")
    by_period = week is not None and repeat.period == week
    by_day = repeat.period is None and len(repeat.day_of_week or ()) == 1
    return _is_once(repeat) and repeat.period_max is None and (by_period or by_day)


def weekly_errors(action: MedicationChange) -> list[FieldError]:
    """Return an error for each dosage of a weekly medicine that is, or is written to be, anything but weekly."""
    concepts = (action.medication, *(action.ingredient or ()))
    codes = [coding.code for one in concepts for coding in one.coding or () if coding.system == RXNORM and coding.code]
    texts = [text for one in concepts for text in (one.text, *(coding.display for coding in one.coding or ())) if text]
    words = frozenset(re.findall(r"[a-z]+", " ".join(texts).casefold()))
    listed = [medicine for medicine in safety_lists().weekly if medicine.is_meant(codes, words)]
    detail = "this medicine is taken once a week: state that, or no timing"
    wrong = []
    for at, dosage in enumerate(action.dosage or ()):
        route = dosage.route.code_in(SNOMED_CT) if dosage.route else None
        if not any(not medicine.routes or route in medicine.routes for medicine in listed):
            continue
        if not _is_weekly(dosage.timing):
            wrong.append(_error(f"dosage/{at}/timing", "weekly-only", detail))
        if any(7 * most > 1 for _, most in rates(dosage.text)):
            wrong.append(_error(f"dosage/{at}/text", "weekly-only", detail))
    return wrong
