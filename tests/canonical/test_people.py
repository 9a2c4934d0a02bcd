from __future__ import annotations

import pytest

from canonical.datatypes import Identifier, Reference
from canonical.people import STAFF, named_error, named_errors

NUMBER = Identifier(system="urn:example:staff", value="d-1")
WELL_NAMED = [
    Reference(reference="Practitioner/d1"),
    Reference(identifier=NUMBER),
    Reference(identifier=NUMBER, type="CareTeam", display="the team"),
]


@pytest.mark.parametrize("reference", WELL_NAMED)
def test_somebody_is_named_by_reference_or_number(reference: Reference) -> None:
    assert named_error("/action/owner", reference, STAFF) == []


def test_nobody_named_is_no_error_of_its_own() -> None:
    assert named_error("/action/owner", None, STAFF) == []
    assert named_errors("/action/recipient", None, STAFF) == []


def test_each_that_is_wrong_is_told_at_its_place_and_never_repeated() -> None:
    wrong = [*WELL_NAMED, Reference(display="Stone"), Reference(reference="Patient/p1"), Reference(type="Practitioner")]
    errors = named_errors("/action/recipient", wrong, STAFF)
    assert [(error.pointer, error.code) for error in errors] == [
        ("/action/recipient/3", "names-nobody"),
        ("/action/recipient/4", "reference-type"),
        ("/action/recipient/5", "names-nobody"),
    ]
    assert not [error for error in errors if "p1" in error.detail or "Stone" in error.detail]


def test_a_type_that_is_told_beside_a_reference_counts_too() -> None:
    error = named_error("/action/owner", Reference(reference="Practitioner/d1", type="Patient"), STAFF)
    assert [item.code for item in error] == ["reference-type"]
