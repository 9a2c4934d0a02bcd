"""R4 data types as canonical fields use them, spelled and shaped as FHIR does; we invent none. Not resources.

Source: HL7 FHIR R4 (4.0.1), data types. Elements that no action uses are refused, not dropped.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from canonical import exact_json
from canonical.clinical_time import ClinicalTime

if TYPE_CHECKING:
    from collections.abc import Iterable


#: FHIR asks for 18 digits; no clinical number lies far beyond, and arithmetic on one would only cost memory.
_DIGITS_LIMIT = 20
_SEQUENCES = (list, tuple)


def refused_members(title: str, code: str, detail: str, names: Iterable[str]) -> ValidationError:
    """Return the error that refuses the members ``names`` of one object, each at its pointer."""
    problem = PydanticCustomError(code, detail)
    return ValidationError.from_exception_data(
        title, [InitErrorDetails(type=problem, loc=(name,), input=None) for name in names], hide_input=True
    )


def _as_lists(value: Any) -> Any:
    """Return ``value`` with tuples as lists: JSON has no tuples, and to Python the two are never equal."""
    if isinstance(value, dict):
        return {name: _as_lists(item) for name, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, _SEQUENCES) else value


class Element(BaseModel):
    """Base of every canonical structure: frozen, camelCase outside, ``null`` kept apart from absent."""

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
            empty = [str(name) for name, item in value.items() if item == []]
            if empty:
                detail = "an empty list says nothing: leave it out, or send null to clear it"
                raise refused_members(cls.__name__, "empty_list", detail, empty)
        return value

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Show which members are set and none of their content: a repr ends up in logs and error reports."""
        return [(None, name) for name in sorted(self.model_fields_set)]

    def as_json(self) -> dict[str, Any]:
        """Return the element as JSON members in FHIR's spelling, decimals and clinical times as written."""
        members: dict[str, Any] = _as_lists(self._members())
        return members

    def as_text(self) -> str:
        """Return the JSON text of :meth:`as_json`."""
        return exact_json.dumps(self._members())

    def _members(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_unset=True)


class DataType(Element):
    """Base of the R4 data types: never without content (invariant ele-1), and no ``null`` inside one."""

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if not value:
                raise PydanticCustomError("empty_element", "an element needs at least one member")
            nulls = [str(name) for name, item in value.items() if item is None]
            if nulls:
                detail = "null stands only for a whole field of an action: leave this member out"
                raise refused_members(cls.__name__, "null_member", detail, nulls)
        return value


def _exact(value: Any) -> Decimal:
    """Accept a JSON number only: text, booleans and binary floats cannot state a clinical decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("decimal_number", "a JSON number is required")
    if isinstance(value, Decimal) and not value.is_finite():
        raise PydanticCustomError("decimal_number", "a finite number is required")
    number = Decimal(value) if isinstance(value, int) else value
    if number and max(abs(number.adjusted()), len(number.as_tuple().digits)) > _DIGITS_LIMIT:
        raise PydanticCustomError("decimal_number", "a number of at most 20 digits is required")
    return number


class _Written:
    """Keeps a decimal as it was written through validation."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
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
Integer = Annotated[int, BeforeValidator(_strict_int), Field(ge=-(2**31), lt=2**31)]
PositiveInt = Annotated[int, BeforeValidator(_strict_int), Field(gt=0)]
UnsignedInt = Annotated[int, BeforeValidator(_strict_int), Field(ge=0)]
#: A FHIR ``string``/``markdown``: never empty, never only white space.
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]
Code = Annotated[str, StringConstraints(pattern=r"^\S+( \S+)*$", max_length=200)]
Uri = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=1_000)]
#: A literal reference ``Type/id``; absolute and contained references are refused.
LiteralReference = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{2,40}/[A-Za-z0-9\-][A-Za-z0-9\-.]{0,63}$")]


class Coding(DataType):
    """``Coding``."""

    system: Uri | None = None
    version: Text | None = None
    code: Code | None = None
    display: Text | None = None
    user_selected: Boolean | None = None


class CodeableConcept(DataType):
    """``CodeableConcept``; ``text`` is what the author saw."""

    coding: tuple[Coding, ...] | None = None
    text: Text | None = None

    def code_in(self, system: str) -> str | None:
        """Return the first code from ``system`` (URI), if any."""
        return next((c.code for c in self.coding or () if c.system == system and c.code), None)


class Identifier(DataType):
    """``Identifier``."""

    use: Literal["usual", "official", "temp", "secondary", "old"] | None = None
    type: CodeableConcept | None = None
    system: Uri | None = None
    value: Text | None = None


class Reference(DataType):
    """``Reference`` to a resource of the same EHR, or to somebody by identifier."""

    reference: LiteralReference | None = None
    type: Code | None = None
    identifier: Identifier | None = None
    display: Text | None = None


class Period(DataType):
    """``Period``; both ends clinical times."""

    start: ClinicalTime | None = None
    end: ClinicalTime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start and self.end and self.start.interval[0] > self.end.interval[1]:
            raise PydanticCustomError("period_order", "the period ends before it starts")
        return self


class Quantity(DataType):
    """``Quantity``; ``unit`` is what was displayed, ``code`` the UCUM unit."""

    value: ExactDecimal | None = None
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    unit: Text | None = None
    system: Uri | None = None
    code: Code | None = None

    @model_validator(mode="after")
    def _code_has_system(self) -> Self:
        if self.code is not None and self.system is None:
            raise PydanticCustomError("quantity_system", "a unit code needs the system it is from (invariant qty-3)")
        return self


class Range(DataType):
    """``Range``."""

    low: Quantity | None = None
    high: Quantity | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low = self.low.value if self.low else None
        high = self.high.value if self.high else None
        if low is not None and high is not None and low > high:
            raise PydanticCustomError("range_order", "the range's low is above its high (invariant rng-2)")
        return self


class Ratio(DataType):
    """``Ratio``."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if self.numerator is None or self.denominator is None:
            raise PydanticCustomError("ratio_half", "a ratio needs numerator and denominator (invariant rat-1)")
        return self


class Annotation(DataType):
    """``Annotation``; the text is never cut."""

    author_reference: Reference | None = None
    author_string: Text | None = None
    time: ClinicalTime | None = None
    text: Text
