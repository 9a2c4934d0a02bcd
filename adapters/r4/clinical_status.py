"""Clinical and verification status of a list's entry, which only the operation decides: where it may start, where it leads.

Source: HL7 FHIR R4 (4.0.1), ``clinicalStatus`` and ``verificationStatus`` of AllergyIntolerance and Condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.r4.fields import Field, put
from canonical.clinical_list import is_active
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

#: In a move: the status stays as it is. No code of FHIR's is called so.
KEPT = "(kept)"
#: A status that is stated by none of FHIR's codes, from which nothing starts.
_FOREIGN = "(other)"


@dataclass(frozen=True, kw_only=True)
class StatusMove:
    """From where an operation may start, and what it leads to; ``None`` stands for a status that is not stated."""

    clinical_from: frozenset[str | None]
    verification_from: frozenset[str | None]
    clinical: str | None = KEPT
    verification: str | None = KEPT


@dataclass(frozen=True, kw_only=True)
class Statuses:
    """The two statuses of a type: the code systems they are from, and the moves by operation."""

    clinical_system: str
    verification_system: str
    moves: Mapping[str, StatusMove]

    @property
    def fields(self) -> tuple[Field, Field]:
        """Return how both are read: the code, or the whole concept where it is none of FHIR's."""
        return (
            _status("clinicalStatus", self.clinical_system),
            _status("verificationStatus", self.verification_system),
        )

    def begin(self, resource: Resource, *, clinical: str, verification: str) -> None:
        """Put the statuses of a new entry into ``resource``."""
        self._put(resource, clinical, verification)

    def move(self, resource: Resource, operation: str) -> None:
        """Lead the statuses of ``resource`` on, in place.

        Raises :class:`NeedsPersonError` ``status_ended``: send nothing, the entry is in no state for this.
        """
        move = self.moves[operation]
        if (
            code_of(resource.get("clinicalStatus"), self.clinical_system) not in move.clinical_from
            or code_of(resource.get("verificationStatus"), self.verification_system) not in move.verification_from
        ):
            raise NeedsPersonError("status_ended", "The entry has a status from which this change is not possible.")
        self._put(resource, move.clinical, move.verification)

    def is_active(self, resource: Resource) -> bool:
        """Whether the entry holds now, as :func:`canonical.clinical_list.is_active`."""
        return is_active({field.name: field.read(resource) for field in self.fields})

    def _put(self, resource: Resource, clinical: str | None, verification: str | None) -> None:
        for element, code, system in (
            ("clinicalStatus", clinical, self.clinical_system),
            ("verificationStatus", verification, self.verification_system),
        ):
            if code != KEPT:
                put(resource, element, None if code is None else {"coding": [{"system": system, "code": code}]})


def code_of(concept: Any, system: str) -> str | None:
    """Return the code of ``system`` in a status, ``None`` where nothing is stated."""
    if concept is None:
        return None
    codings = concept.get("coding", []) if isinstance(concept, Mapping) else []
    found = (item.get("code") for item in codings if isinstance(item, Mapping) and item.get("system") == system)
    return next((code for code in found if isinstance(code, str)), _FOREIGN)


def _status(element: str, system: str) -> Field:
    def read(resource: Resource) -> Any:
        code = code_of(resource.get(element), system)
        return resource.get(element) if code == _FOREIGN else code

    def write(resource: Resource, value: Any) -> None:
        put(resource, element, None if value is None else {"coding": [{"system": system, "code": value}]})

    return Field(name=element, read=read, write=write)
