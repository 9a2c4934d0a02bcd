"""R4 ``Dosage`` and ``Timing`` as a medication statement uses them; what may be written into them is ``dose_safety``'s.

Source: HL7 FHIR R4 (4.0.1), data types, ``Dosage`` and ``Timing`` with invariants tim-1 to tim-10.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from canonical.clinical_time import ClinicalTime
from canonical.datatypes import (
    Boolean,
    CodeableConcept,
    DataType,
    ExactDecimal,
    Period,
    PositiveInt,
    Quantity,
    Range,
    Ratio,
    Text,
    UnsignedInt,
)

UnitOfTime = Literal["s", "min", "h", "d", "wk", "mo", "a"]
DayOfWeek = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
EventTiming = Literal[
    "MORN", "MORN.early", "MORN.late", "NOON", "AFT", "AFT.early", "AFT.late", "EVE", "EVE.early", "EVE.late",
    "NIGHT", "PHS", "HS", "WAKE", "C", "CM", "CD", "CV", "AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV",
]  # fmt: skip
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?$")]


#: Meals themselves: FHIR lets an offset stand only with events that are before, after or apart from one.
_NO_OFFSET = frozenset({"C", "CM", "CD", "CV"})


def _has_offset(when: tuple[str, ...] | None) -> bool:
    return when is not None and not _NO_OFFSET.intersection(when)


class TimingRepeat(DataType):
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
    offset: UnsignedInt | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """FHIR's own invariants of ``Timing.repeat``."""
        for broken, invariant, detail in (
            (self.duration is not None and self.duration_unit is None, "tim-1", "a duration needs its unit"),
            (self.period is not None and self.period_unit is None, "tim-2", "a period needs its unit"),
            (self.duration is not None and self.duration < 0, "tim-4", "a duration is not negative"),
            (self.period is not None and self.period < 0, "tim-5", "a period is not negative"),
            (self.period_max is not None and self.period is None, "tim-6", "a longest period needs a period"),
            (self.duration_max is not None and self.duration is None, "tim-7", "a longest duration needs a duration"),
            (self.count_max is not None and self.count is None, "tim-8", "a highest count needs a count"),
            (self.offset is not None and not _has_offset(self.when), "tim-9", "an offset needs an event such as AC"),
            (self.time_of_day is not None and self.when is not None, "tim-10", "times of day or events, not both"),
        ):
            if broken:
                raise PydanticCustomError("timing", f"{detail} (invariant {invariant})")
        if sum(bounds is not None for bounds in (self.bounds_duration, self.bounds_range, self.bounds_period)) > 1:
            raise PydanticCustomError("timing", "state one of the bounds only")
        return self


class Timing(DataType):
    """``Timing``."""

    event: tuple[ClinicalTime, ...] | None = None
    repeat: TimingRepeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(DataType):
    """``Dosage.doseAndRate``."""

    type: CodeableConcept | None = None
    dose_range: Range | None = None
    dose_quantity: Quantity | None = None
    rate_ratio: Ratio | None = None
    rate_range: Range | None = None
    rate_quantity: Quantity | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.dose_quantity is not None and self.dose_range is not None:
            raise PydanticCustomError("dose_choice", "state doseQuantity or doseRange, not both")
        if sum(rate is not None for rate in (self.rate_ratio, self.rate_range, self.rate_quantity)) > 1:
            raise PydanticCustomError("rate_choice", "state one rate only")
        return self


class Dosage(DataType):
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

    @model_validator(mode="after")
    def _one_as_needed(self) -> Self:
        if self.as_needed_boolean is not None and self.as_needed_codeable_concept is not None:
            raise PydanticCustomError("as_needed_choice", "state asNeededBoolean or asNeededCodeableConcept, not both")
        return self

    @property
    def is_as_needed(self) -> bool:
        """Whether it is taken only when needed."""
        return bool(self.as_needed_boolean) or self.as_needed_codeable_concept is not None

    def quantities(self) -> list[tuple[str, Quantity]]:
        """Return every amount it states, with its pointer inside the dosage."""
        found: list[tuple[str, Quantity | None]] = []
        for at, dose in enumerate(self.dose_and_rate or ()):
            prefix = f"doseAndRate/{at}"
            found += [(f"{prefix}/doseQuantity", dose.dose_quantity), (f"{prefix}/rateQuantity", dose.rate_quantity)]
            found += _ends(f"{prefix}/doseRange", dose.dose_range) + _ends(f"{prefix}/rateRange", dose.rate_range)
            found += _halves(f"{prefix}/rateRatio", dose.rate_ratio)
        found += _halves("maxDosePerPeriod", self.max_dose_per_period)
        found.append(("maxDosePerAdministration", self.max_dose_per_administration))
        found.append(("maxDosePerLifetime", self.max_dose_per_lifetime))
        return [(pointer, quantity) for pointer, quantity in found if quantity is not None]


def _ends(pointer: str, range_: Range | None) -> list[tuple[str, Quantity | None]]:
    return [(f"{pointer}/low", range_.low), (f"{pointer}/high", range_.high)] if range_ else []


def _halves(pointer: str, ratio: Ratio | None) -> list[tuple[str, Quantity | None]]:
    return [(f"{pointer}/numerator", ratio.numerator), (f"{pointer}/denominator", ratio.denominator)] if ratio else []
