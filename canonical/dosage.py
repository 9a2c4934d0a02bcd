"""R4 ``Dosage`` and ``Timing`` as a medication statement uses them; what may be written into them is ``dose_safety``'s.

Source: HL7 FHIR R4 (4.0.1), data types, ``Dosage`` and ``Timing`` with invariants tim-1 to tim-10.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from canonical.clinical_time import ClinicalTime
from canonical.datatypes import (
    Boolean,
    CodeableConcept,
    Element,
    ExactDecimal,
    Period,
    PositiveInt,
    Quantity,
    Range,
    Ratio,
    Text,
)

UnitOfTime = Literal["s", "min", "h", "d", "wk", "mo", "a"]
DayOfWeek = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EventTiming = Literal[
    "MORN", "MORN.early", "MORN.late", "NOON", "AFT", "AFT.early", "AFT.late", "EVE", "EVE.early", "EVE.late",
    "NIGHT", "PHS", "HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV",
]  # fmt: skip
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?$")]


class TimingRepeat(Element):
    """``Timing.repeat``."""

    bounds_duration: Quantity | None = None
    bounds_range: Range | None = None
    bounds_period: Period | None = None
    count: PositiveInt | None = None
    count_max: PositiveInt | None = None
    duration: ExactDecimal | None = None
    duration_max: ExactDecimal | None = None
    duration_unit: UnitOfTime | None = None
    frequency: PositiveInt | None = None
    frequency_max: PositiveInt | None = None
    period: ExactDecimal | None = None
    period_max: ExactDecimal | None = None
    period_unit: UnitOfTime | None = None
    day_of_week: tuple[DayOfWeek, ...] | None = None
    time_of_day: tuple[TimeOfDay, ...] | None = None
    when: tuple[EventTiming, ...] | None = None
    offset: Annotated[int, Field(ge=0)] | None = None


class Timing(Element):
    """``Timing``."""

    event: tuple[ClinicalTime, ...] | None = None
    repeat: TimingRepeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Element):
    """``Dosage.doseAndRate``."""

    type: CodeableConcept | None = None
    dose_range: Range | None = None
    dose_quantity: Quantity | None = None
    rate_ratio: Ratio | None = None
    rate_range: Range | None = None
    rate_quantity: Quantity | None = None


class Dosage(Element):
    """``Dosage``; ``text`` is the SIG as it was written, never generated from the structure nor it from the text."""

    sequence: PositiveInt | None = None
    text: Text
    additional_instruction: tuple[CodeableConcept, ...] | None = None
    patient_instruction: Text | None = None
    timing: Timing | None = None
    as_needed_boolean: Boolean | None = None
    as_needed_codeable_concept: CodeableConcept | None = None
    site: CodeableConcept | None = None
    route: CodeableConcept | None = None
    method: CodeableConcept | None = None
    dose_and_rate: tuple[DoseAndRate, ...] | None = None
    max_dose_per_period: Ratio | None = None
    max_dose_per_administration: Quantity | None = None
    max_dose_per_lifetime: Quantity | None = None
