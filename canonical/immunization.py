"""What a vaccination is described with, in FHIR's shape and spelling; no rules.

Source: HL7 FHIR R4 (4.0.1) ``Immunization``.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Boolean, CodeableConcept, DataType, PositiveInt, Reference, Text


class ImmunizationPerformer(DataType):
    """``Immunization.performer``: who gave or ordered the dose."""

    function: CodeableConcept | None = None
    actor: Reference


class ImmunizationReaction(DataType):
    """``Immunization.reaction``: what was observed after the dose."""

    date: ClinicalTime | None = None
    detail: Reference | None = None
    reported: Boolean | None = None


class ProtocolApplied(DataType):
    """``Immunization.protocolApplied``: which dose of which series it is."""

    series: Text | None = None
    authority: Reference | None = None
    target_disease: tuple[CodeableConcept, ...] | None = None
    dose_number_positive_int: PositiveInt | None = None
    dose_number_string: Text | None = None
    series_doses_positive_int: PositiveInt | None = None
    series_doses_string: Text | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.dose_number_positive_int is None) == (self.dose_number_string is None):
            raise PydanticCustomError("dose_number", "state doseNumberPositiveInt or doseNumberString, one of them")
        if self.series_doses_positive_int is not None and self.series_doses_string is not None:
            raise PydanticCustomError("series_doses", "state seriesDosesPositiveInt or seriesDosesString, not both")
        number, of = self.dose_number_positive_int, self.series_doses_positive_int
        if number is not None and of is not None and number > of:
            raise PydanticCustomError("dose_number", "the series has fewer doses than this number")
        return self
