"""What somebody answered to a questionnaire, in FHIR's shape and spelling; no rules, and no score is ever computed here.

Source: HL7 FHIR R4 (4.0.1) ``QuestionnaireResponse``, invariant qrs-1.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from canonical.attachment import Attachment
from canonical.clinical_time import ClinicalDate, ClinicalTime
from canonical.datatypes import (
    Boolean,
    CodeableConcept,
    Coding,
    DataType,
    ExactDecimal,
    Integer,
    Quantity,
    Reference,
    Text,
    Uri,
)
from canonical.dosage import TimeOfDay


class ReportedAnswer(DataType):
    """``QuestionnaireResponse.item.answer``: one value, and the questions that were asked because of it."""

    value_boolean: Boolean | None = None
    value_decimal: ExactDecimal | None = None
    value_integer: Integer | None = None
    value_date: ClinicalDate | None = None
    value_date_time: ClinicalTime | None = None
    value_time: TimeOfDay | None = None
    value_string: Text | None = None
    value_uri: Uri | None = None
    value_attachment: Attachment | None = None
    value_coding: Coding | None = None
    value_quantity: Quantity | None = None
    value_reference: Reference | None = None
    item: tuple[ReportedItem, ...] | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if len(self.model_fields_set - {"item"}) != 1:
            raise PydanticCustomError("answer_value", "an answer has exactly one value")
        return self


class ReportedItem(DataType):
    """``QuestionnaireResponse.item``: a question, its ``text`` as it was shown, and its answers; or a group of them."""

    link_id: Text
    definition: Uri | None = None
    text: Text | None = None
    answer: tuple[ReportedAnswer, ...] | None = None
    item: tuple[ReportedItem, ...] | None = None

    @model_validator(mode="after")
    def _question_or_group(self) -> Self:
        if self.answer is not None and self.item is not None:
            detail = "further questions stand below the answer or below the group, not both (invariant qrs-1)"
            raise PydanticCustomError("question_or_group", detail)
        return self


class ReportedScore(DataType):
    """A score that whoever asked the questions gave with the answers: which one (LOINC), and its value."""

    code: CodeableConcept
    value_quantity: Quantity


# An answer names the items that the module defines after it.
ReportedAnswer.model_rebuild()
