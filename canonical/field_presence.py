"""Which fields an operation must, may not and may clear; names only, nothing about what stands in a field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canonical.errors import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from canonical.action import Action


def stated(action: Action) -> frozenset[str]:
    """Return the fields (FHIR spelling) that ``action`` states with content; ``null`` is none."""
    return frozenset(name for name, value in action.as_json().items() if value is not None)


def required_errors(action: Action, names: Iterable[str]) -> list[FieldError]:
    """Return one error for each of ``names`` that ``action`` does not state."""
    there = stated(action)
    detail = f"'{action.operation}' needs this field"
    return [
        FieldError(pointer=f"/action/{name}", code="required", detail=detail) for name in names if name not in there
    ]


def unwanted_errors(action: Action, names: Iterable[str], detail: str) -> list[FieldError]:
    """Return one error for each of ``names`` that ``action`` states although it may not, because of ``detail``."""
    there = stated(action)
    return [
        FieldError(pointer=f"/action/{name}", code="not-for-this-operation", detail=detail)
        for name in names
        if name in there
    ]


def clear_errors(action: Action, clearable: Iterable[str]) -> list[FieldError]:
    """Return one error for each field that is ``null`` and not among ``clearable``: it cannot be cleared here."""
    may = frozenset(clearable)
    return [
        FieldError(
            pointer=f"/action/{name}",
            code="not-clearable",
            detail=f"'{action.operation}' cannot clear this field: leave it out",
        )
        for name, value in action.as_json().items()
        if value is None and name not in may
    ]
