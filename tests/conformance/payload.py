"""Whether what left is FHIR R4, by two libraries that know nothing of each other, and its units UCUM; it reads no chart.

``fhirkit`` validates by the definitions of R4 itself, ``fhir.resources`` (through the product's own check) by R4B's. What
travels in a vendor's own form is no FHIR: of it only the units are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import fhirkit
from lark.exceptions import LarkError
from ucumvert import get_ucum_parser

from adapters.r4 import validity
from canonical import exact_json
from canonical.capabilities import Transport
from canonical.code_systems import UCUM
from canonical.ports import Interaction, Operation
from tests.conformance.desk import Desk

_FHIR = frozenset({Transport.REST, Transport.TRANSACTION})


def wrong(desk: Desk, operation: Operation) -> list[str]:
    """Return what is wrong with the payload of an operation: paths and kinds, no values."""
    said = desk.ehr.said(operation)
    found = [f"no UCUM unit: {code}" for code in units(said) if not is_ucum(code)]
    write = desk.capabilities.writes.get((operation.resource_type, operation.interaction))
    if operation.interaction is Interaction.PATCH or write is None or write.transport not in _FHIR:
        return found
    issues = fhirkit.validate(exact_json.dumps(said))
    return [*found, *(str(item) for item in issues if item.severity == "error"), *validity.problems(said)]


def units(value: Any) -> Iterator[str]:
    """Return the UCUM codes in a resource."""
    if isinstance(value, dict):
        if value.get("system") == UCUM and "value" in value and "code" in value:
            yield str(value["code"])
        for item in value.values():
            yield from units(item)
    if isinstance(value, list):
        for item in value:
            yield from units(item)


@cache
def _parser() -> Any:
    return get_ucum_parser()


def is_ucum(code: str) -> bool:
    """Whether a code follows the grammar of UCUM and is made of its units."""
    try:
        _parser().parse(code)
    except LarkError:
        return False
    return True
