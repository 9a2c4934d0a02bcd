"""R4 data types as canonical fields use them, spelled and shaped as FHIR does; we invent none. Not resources.

Source: HL7 FHIR R4 (4.0.1), data types. Elements that no action uses are refused, not dropped.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from canonical.clinical_time import ClinicalTime


class Element(BaseModel):
    """Base of every canonical structure: frozen, camelCase outside, unknown members refused, ``null`` kept apart from absent."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_empty_lists(cls, value: Any) -> Any:
        """Refuse ``[]``: absent means leave alone, ``null`` means clear, and an empty list means neither."""
        if isinstance(value, dict):
            for name, item in value.items():
                if item == []:
                    raise PydanticCustomError(
                        "empty_list",
                        "'{name}' is an empty list: leave it out, or send null to clear it",
                        {"name": str(name)},
                    )
        return value

    def as_json(self) -> dict[str, Any]:
        """Return the element as JSON members in FHIR's spelling, decimals and clinical times as written."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def _exact(value: Any) -> Any:
    """Accept a JSON number only: text, booleans and binary floats cannot state a clinical decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("decimal_number", "a JSON number is required")
    if isinstance(value, Decimal) and not value.is_finite():
        raise PydanticCustomError("decimal_number", "a finite number is required")
    return value


class _Written:
    """Keeps a decimal as it was written through validation."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(_exact)


#: A FHIR ``decimal``: precision as written survives.
ExactDecimal = Annotated[Decimal, _Written, WithJsonSchema({"type": "number"})]


def _strict_bool(value: Any) -> Any:
    if not isinstance(value, bool):
        raise PydanticCustomError("boolean", "true or false is required")
    return value


def _strict_int(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("integer", "a whole number is required")
    return value


Boolean = Annotated[bool, BeforeValidator(_strict_bool)]
PositiveInt = Annotated[int, BeforeValidator(_strict_int), Field(gt=0)]
#: A FHIR ``string``/``markdown``: never empty, never only white space.
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]
Code = Annotated[str, StringConstraints(pattern=r"^\S+( \S+)*$", max_length=200)]
Uri = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=1_000)]
#: A literal reference ``Type/id``; absolute and contained references are refused.
LiteralReference = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{2,40}/[A-Za-z0-9\-.]{1,64}$")]


class Coding(Element):
    """``Coding``."""

    system: Uri | None = None
    version: Text | None = None
    code: Code | None = None
    display: Text | None = None
    user_selected: Boolean | None = None


class CodeableConcept(Element):
    """``CodeableConcept``; ``text`` is what the author saw."""

    coding: tuple[Coding, ...] | None = None
    text: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.coding and self.text is None:
            raise PydanticCustomError("concept_empty", "a concept needs a coding or a text")
        return self

    def code_in(self, system: str) -> str | None:
        """Return the first code from ``system`` (URI), if any."""
        return next((c.code for c in self.coding or () if c.system == system and c.code), None)


class Identifier(Element):
    """``Identifier``."""

    use: Literal["usual", "official", "temp", "secondary", "old"] | None = None
    type: CodeableConcept | None = None
    system: Uri | None = None
    value: Text | None = None


class Reference(Element):
    """``Reference`` to a resource of the same EHR, or to somebody by identifier."""

    reference: LiteralReference | None = None
    type: Code | None = None
    identifier: Identifier | None = None
    display: Text | None = None


class Period(Element):
    """``Period``; both ends clinical times."""

    start: ClinicalTime | None = None
    end: ClinicalTime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start and self.end and self.start.interval[0] > self.end.interval[1]:
            raise PydanticCustomError("period_order", "the period ends before it starts")
        return self


class Quantity(Element):
    """``Quantity``; ``unit`` is what was displayed, ``code`` the UCUM unit."""

    value: ExactDecimal | None = None
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    unit: Text | None = None
    system: Uri | None = None
    code: Code | None = None


class Range(Element):
    """``Range``."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Element):
    """``Ratio``."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Annotation(Element):
    """``Annotation``; the text is never cut."""

    author_reference: Reference | None = None
    author_string: Text | None = None
    time: ClinicalTime | None = None
    text: Text
