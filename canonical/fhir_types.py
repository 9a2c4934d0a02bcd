"""Which R4 type each field of an action has, read off its model; a field of a type of ours has none. No types of resources."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic.alias_generators import to_camel

from canonical import datatypes, dosage, onset
from canonical.action import Action
from canonical.clinical_time import ClinicalDate, ClinicalInstant, ClinicalTime
from canonical.datatypes import Code, Text, Uri

#: Classes that are R4 data types, under R4's names.
_COMPLEX: dict[Any, str] = {
    one: one.__name__
    for one in (
        *(datatypes.Annotation, datatypes.CodeableConcept, datatypes.Coding, datatypes.Identifier, datatypes.Period),
        *(datatypes.Quantity, datatypes.Range, datatypes.Ratio, datatypes.Reference),
        *(dosage.Dosage, dosage.Timing, onset.Age),
    )
}
_PRIMITIVE: tuple[tuple[Any, str], ...] = (
    (ClinicalTime, "dateTime"),
    (ClinicalDate, "date"),
    (ClinicalInstant, "instant"),
    (Code, "code"),
    (Uri, "uri"),
    (Text, "string"),
    (datatypes.Boolean, "boolean"),
    (datatypes.Integer, "integer"),
    (datatypes.PositiveInt, "positiveInt"),
    (datatypes.UnsignedInt, "unsignedInt"),
    (datatypes.ExactDecimal, "decimal"),
    (Decimal, "decimal"),
)


@cache
def types_of(model: type[Action]) -> dict[str, str]:
    """Return field → R4 type (of a list: of its items) for every field of ``model`` that has one."""
    hints = get_type_hints(model, include_extras=True)
    found = {to_camel(name): _type(hint) for name, hint in hints.items() if name in model.model_fields}
    return {name: fhir_type for name, fhir_type in found.items() if fhir_type is not None}


def _type(hint: Any) -> str | None:
    for known, name in _PRIMITIVE:
        if hint == known:
            return name
    if hint in _COMPLEX:
        return _COMPLEX[hint]
    if get_origin(hint) is Literal:
        return "code"
    inner = [one for one in get_args(hint) if one is not type(None) and one is not Ellipsis]
    # ``X | None``, ``tuple[X, ...]`` and ``Annotated[X, …]`` speak of X.
    return _type(inner[0]) if inner and not isinstance(hint, type) else None
