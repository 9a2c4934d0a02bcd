"""What a vital sign reading may say: code, time, parts, numbers and how they fit together; not its fields."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from canonical.errors import FieldError
from canonical.measurement import Measurement
from canonical.ranges import Age, Verdict, age_at, in_unit
from canonical.vital_signs import VitalSign, named_by, vital_signs

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.actions.vital_reading import VitalReading
    from canonical.clinical_time import ClinicalTime
    from canonical.envelope import Envelope

#: Fields that say something only of some vital signs.
_CONTEXTS = {"cuffSize": "cuff_size", "oxygen": "oxygen", "howObtained": "how_obtained"}
_ABOVE = (("systolic", "diastolic"), ("average-systolic", "average-diastolic"))
#: Weight and height are rounded before they are written; a BMI further off than this is of other numbers.
_BMI_TOLERANCE = Fraction(2, 100)
#: A reading that arrives so long after it was taken must not pass for the latest.
LATE_AFTER = timedelta(hours=24)


def vital_of(action: VitalReading) -> VitalSign | None:
    """Return the vital sign that the action's code names, if it names exactly one."""
    found = named_by(action.code) if action.code else ()
    return found[0] if len(found) == 1 else None


def time_of(action: VitalReading) -> ClinicalTime | None:
    """Return when the reading was taken; of a period, its end."""
    period = action.effective_period
    return action.effective_date_time or (period.end if period else None)


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def code_errors(action: VitalReading) -> list[FieldError]:
    """Return what is wrong with the code; the other rules hold only for a code that names one vital sign."""
    found = named_by(action.code) if action.code else ()
    if action.code is not None and not found:
        known = ", ".join(vital.loinc[0] for vital in vital_signs().values() if not vital.part_only)
        return [_error("code", "unknown-vital", f"no LOINC code of a vital sign; known: {known}")]
    if len(found) > 1:
        return [_error("code", "code-contradiction", "the codings name different vital signs")]
    if found and found[0].part_only:
        return [_error("code", "not-a-reading", f"{found[0].title} is a component of another reading")]
    return []


def time_errors(action: VitalReading) -> list[FieldError]:
    """Return what is wrong with the time as written: one of the two forms, precise to the day, periods closed."""
    moment, period = action.effective_date_time, action.effective_period
    if (moment is None) == (period is None):
        return [_error("effectiveDateTime", "required", "state one of effectiveDateTime and effectivePeriod")]
    ends = {"effectiveDateTime": moment} if period is None else {}
    if period is not None:
        ends = {"effectivePeriod/start": period.start, "effectivePeriod/end": period.end}
    return [
        _error(member, "time-precision", "a vital sign's time is precise to the day at least")
        for member, time in ends.items()
        if time is None or not time.is_full_date
    ]


def _parts(action: VitalReading) -> list[tuple[int, VitalSign | None]]:
    named = [named_by(component.code) for component in action.component or ()]
    return [(at, found[0] if len(found) == 1 else None) for at, found in enumerate(named)]


def measurements(action: VitalReading, vital: VitalSign) -> list[Measurement]:
    """Return every number of the reading that the vital sign knows, or its reason for being missing."""
    found = []
    if vital.units:
        found.append(
            Measurement(
                pointer="/action", vital=vital, quantity=action.value_quantity, absent=action.data_absent_reason
            )
        )
    for at, part in _parts(action):
        component = (action.component or ())[at]
        if part is not None:
            pointer = f"/action/component/{at}"
            quantity, absent = component.value_quantity, component.data_absent_reason
            found.append(Measurement(pointer=pointer, vital=part, quantity=quantity, absent=absent))
    return found + _oxygen(action)


def _oxygen(action: VitalReading) -> list[Measurement]:
    oxygen = action.oxygen
    stated = {"flow": oxygen.flow, "concentration": oxygen.concentration} if oxygen else {}
    return [
        Measurement(
            pointer="/action/oxygen",
            vital=vital_signs()[f"oxygen-{member}"],
            quantity=quantity,
            absent=None,
            member=member,
        )
        for member, quantity in stated.items()
        if quantity is not None
    ]


def part_errors(action: VitalReading, vital: VitalSign) -> list[FieldError]:
    """Return what is wrong with the components: unknown, doubled or missing ones, and a value beside them."""
    wrong = []
    seen: set[str] = set()
    for at, part in _parts(action):
        pointer = f"component/{at}/code"
        if part is None or part.key not in vital.parts + vital.optional_parts:
            wrong.append(_error(pointer, "unknown-component", f"not a component of {vital.title}"))
        elif part.key in seen:
            wrong.append(_error(pointer, "component-twice", "this component is there twice"))
        else:
            seen.add(part.key)
    needed = vital.parts if action.data_absent_reason is None or not vital.units else ()
    titles = [vital_signs()[key].title for key in needed if key not in seen]
    if titles:
        wrong.append(_error("component", "component-missing", f"{vital.title} needs: {', '.join(titles)}"))
    if not vital.units:
        stated = {"valueQuantity": action.value_quantity, "dataAbsentReason": action.data_absent_reason}
        detail = f"{vital.title} is stated in its components"
        wrong += [_error(name, "stated-in-components", detail) for name, value in stated.items() if value]
    return wrong


def context_errors(action: VitalReading, vital: VitalSign) -> list[FieldError]:
    """Return an error for each descriptive field that says nothing of this vital sign, or contradicts itself."""
    wrong = [
        _error(name, "not-for-this-vital", f"says nothing of {vital.title}")
        for name, attribute in _CONTEXTS.items()
        if getattr(action, attribute) is not None and name not in vital.contexts
    ]
    oxygen = action.oxygen
    supplied = oxygen is not None and (oxygen.flow is not None or oxygen.concentration is not None)
    if oxygen is not None and bool(oxygen.room_air) == supplied:
        detail = "state roomAir true, or flow, or concentration; leave oxygen out when it is not known"
        wrong.append(_error("oxygen", "oxygen-contradiction", detail))
    return wrong


def relation_errors(readings: list[Measurement]) -> list[FieldError]:
    """Return which numbers contradict each other; ask only when each alone is well formed."""
    by_key = {reading.vital.key: reading for reading in readings}
    values = {key: one.quantity.value for key, one in by_key.items() if one.quantity and one.quantity.value is not None}
    wrong = []
    for upper, lower in _ABOVE:
        if upper in values and lower in values and values[upper] <= values[lower]:
            pointer = f"{by_key[upper].pointer}/valueQuantity/value"
            detail = "systolic must be above diastolic"
            wrong.append(FieldError(pointer=pointer, code="systolic-not-above-diastolic", detail=detail))
    if "body-mass-index" in values:
        wrong += _bmi_errors(by_key, values)
    return wrong


def _bmi_errors(by_key: dict[str, Measurement], values: dict[str, Decimal]) -> list[FieldError]:
    """A body mass index is derived: without the numbers it comes from it cannot be checked by anybody."""
    if not {"body-weight", "body-height"} <= set(by_key):
        return []  # part_errors has said so
    if not {"body-weight", "body-height"} <= set(values):
        return [_error("component", "component-missing", "body mass index needs the values of weight and height")]
    weight = in_unit(values["body-weight"], str(_unit(by_key["body-weight"])), "kg")
    height = in_unit(values["body-height"], str(_unit(by_key["body-height"])), "cm") / 100
    stated = Fraction(values["body-mass-index"])
    if height > 0 and abs(stated - weight / height**2) <= _BMI_TOLERANCE * stated:
        return []
    detail = "not the body mass index of the weight and height sent with it"
    return [_error("valueQuantity/value", "derived-value-disagrees", detail)]


def _unit(reading: Measurement) -> str | None:
    return reading.quantity.code if reading.quantity else None


def age_of(envelope: Envelope, action: VitalReading) -> Age | None:
    """Return the patient's age when the reading was taken, as far as the envelope tells."""
    return age_at(envelope.patient.birth_date, time_of(action))


def verdicts(envelope: Envelope, action: VitalReading) -> list[tuple[Measurement, Verdict]]:
    """Return what the thresholds say about each number; none when the reading is malformed or a retraction."""
    vital = vital_of(action)
    if vital is None or action.operation == "retract":
        return []
    age = age_of(envelope, action)
    return [(one, one.verdict(age)) for one in measurements(action, vital) if not one.errors()]


def is_late(action: VitalReading, now: datetime) -> bool:
    """Whether the reading was taken so long before ``now`` (UTC) that it must not pass for the latest."""
    time = time_of(action)
    return time is not None and time.is_before(now - LATE_AFTER)


def series(envelope: Envelope, action: VitalReading, vital: VitalSign) -> str:
    """Return a name for the readings of one vital by one device on one patient, that identifies none of them."""
    device = action.device.as_json() if action.device else None
    text = f"{envelope.connection}\x1f{envelope.patient.reference}\x1f{vital.key}\x1f{device}"
    return hashlib.sha256(text.encode()).hexdigest()
