"""The parts of an R4 ``Task`` that a care task has besides plain elements; no resource and no rules of our own.

Source: HL7 FHIR R4 (4.0.1) ``Task``.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from canonical.clinical_time import ClinicalTime
from canonical.datatypes import (
    Boolean,
    CodeableConcept,
    DataType,
    Period,
    PositiveInt,
    Quantity,
    Reference,
    Text,
)


class TaskRestriction(DataType):
    """``Task.restriction``: ``period.end`` is when it is due."""

    repetitions: PositiveInt | None = None
    period: Period | None = None
    recipient: tuple[Reference, ...] | None = None


class TaskOutput(DataType):
    """``Task.output``: one result of the task, of one kind."""

    type: CodeableConcept
    value_string: Text | None = None
    value_boolean: Boolean | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_quantity: Quantity | None = None
    value_reference: Reference | None = None
    value_date_time: ClinicalTime | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if len(self.model_fields_set - {"type"}) != 1:
            raise PydanticCustomError("output_value", "an output has exactly one value")
        return self
