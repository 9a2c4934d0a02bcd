"""Whom an action may name for a message or a task, and that each is named so that somebody can be found. No look-up here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canonical.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canonical.datatypes import Reference

#: Types of those who care for a patient at work; a patient and a relative read what is written to them elsewhere.
STAFF = frozenset({"Practitioner", "PractitionerRole", "Organization", "CareTeam", "Group", "HealthcareService"})


def named_errors(pointer: str, references: Sequence[Reference] | None, types: frozenset[str]) -> list[FieldError]:
    """Return one error for each of the list at ``pointer`` that names nobody or nothing, or what is not of ``types``."""
    return [
        error
        for at, reference in enumerate(references or ())
        for error in named_error(f"{pointer}/{at}", reference, types)
    ]


def named_error(pointer: str, reference: Reference | None, types: frozenset[str]) -> list[FieldError]:
    """Return what is wrong with one reference: a display alone finds nobody."""
    if reference is None:
        return []
    by_identifier = reference.identifier is not None and reference.identifier.value is not None
    if reference.reference is None and not by_identifier:
        detail = "name it by 'reference', or by an identifier with a value"
        return [FieldError(pointer=pointer, code="names-nobody", detail=detail)]
    told = [reference.reference.split("/")[0]] if reference.reference else []
    told += [reference.type] if reference.type else []
    if all(name in types for name in told):
        return []
    return [FieldError(pointer=pointer, code="reference-type", detail=f"one of: {', '.join(sorted(types))}")]
