"""What an allergy is described with, in FHIR's shape and spelling; no rules.

Source: HL7 FHIR R4 (4.0.1) ``AllergyIntolerance`` and its required value sets.
"""

from __future__ import annotations

from typing import Annotated as With
from typing import Literal

from pydantic import Field

from canonical.clinical_time import ClinicalTime
from canonical.datatypes import Annotation, CodeableConcept, DataType, Text

AllergyType = Literal["allergy", "intolerance"]
AllergyCategory = Literal["food", "medication", "environment", "biologic"]
#: Of the patient's risk at a next exposure; how bad one event was is that reaction's severity.
Criticality = Literal["low", "high", "unable-to-assess"]
ReactionSeverity = Literal["mild", "moderate", "severe"]
NoneKnownScope = Literal["all", "drug", "food", "environment", "latex"]


class AllergyReaction(DataType):
    """``AllergyIntolerance.reaction``: one event."""

    substance: CodeableConcept | None = None
    manifestation: With[tuple[CodeableConcept, ...], Field(min_length=1)]
    description: Text | None = None
    onset: ClinicalTime | None = None
    severity: ReactionSeverity | None = None
    exposure_route: CodeableConcept | None = None
    note: tuple[Annotation, ...] | None = None
