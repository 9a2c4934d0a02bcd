"""What an adapter must know of the connection it serves to build and read resources; no credentials, no transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

#: System of the identifier by which a resource that we created is known for ever.
COMMAND_SYSTEM = "urn:fhir-writeback:command"
#: System of the identifier that names the latest command of ours that changed a resource.
CHANGE_SYSTEM = "urn:fhir-writeback:change"


@dataclass(frozen=True, kw_only=True)
class Site:
    """One connection as mappings see it: ``base_url`` of its FHIR endpoint, the systems of our marks, its ``options``."""

    base_url: str
    command_system: str = COMMAND_SYSTEM
    change_system: str = CHANGE_SYSTEM
    options: Mapping[str, Any] = field(default_factory=dict)

    def created_by(self, command: UUID, part: int = 0) -> str:
        """Return the mark of a create, ``system|value``: chosen once, the same on every attempt.

        ``part`` tells the entries of a compound apart; 0 is its own.
        """
        return f"{self.command_system}|{_numbered(command, part)}"

    def changed_by(self, command: UUID, part: int = 0) -> str:
        """Return the mark of an update, ``system|value``."""
        return f"{self.change_system}|{_numbered(command, part)}"


def _numbered(command: UUID, part: int) -> str:
    return f"{command}.{part}" if part else str(command)
