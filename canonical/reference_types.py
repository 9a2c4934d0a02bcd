"""Of which types what a field refers to may be, where FHIR says so. Whether it is there, is the EHR's to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canonical.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Collection

    from canonical.datatypes import Reference

#: Whoever may assert or record an entry. Source: HL7 FHIR R4 (4.0.1) AllergyIntolerance and Condition.
PEOPLE = frozenset({"Patient", "RelatedPerson", "Practitioner", "PractitionerRole"})


def reference_errors(pointer: str, reference: Reference | None, types: Collection[str]) -> list[FieldError]:
    """Return an error when ``reference`` names literally something of another type than ``types``."""
    text = reference.reference if reference else None
    if text is None or text.partition("/")[0] in types:
        return []
    detail = f"one of: {', '.join(sorted(types))}"
    return [FieldError(pointer=f"{pointer}/reference", code="reference-type", detail=detail)]
