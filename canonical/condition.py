"""What a problem is described with, in FHIR's shape and spelling; no rules.

Source: HL7 FHIR R4 (4.0.1) ``Condition``, invariants con-1 and con-2; US Core condition categories.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from canonical.datatypes import CodeableConcept, DataType, Reference

ProblemCategory = Literal["problem-list-item", "encounter-diagnosis", "health-concern"]


class ConditionStage(DataType):
    """``Condition.stage``."""

    summary: CodeableConcept | None = None
    assessment: tuple[Reference, ...] | None = None
    type: CodeableConcept | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.summary is None and self.assessment is None:
            raise PydanticCustomError("stage", "a stage needs a summary or an assessment (invariant con-1)")
        return self


class ConditionEvidence(DataType):
    """``Condition.evidence``."""

    code: tuple[CodeableConcept, ...] | None = None
    detail: tuple[Reference, ...] | None = None
