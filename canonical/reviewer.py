"""Who works the review queue: a person, what licence they hold and what they may see and do. Not how they logged in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Licence(StrEnum):
    """What a person may decide by profession; policy rows name these."""

    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    PRESCRIBER = "prescriber"
    #: Clinical operations without a licence: returns, assigns, rejects for administrative reasons, never chooses a value.
    OPERATIONS = "operations"


class Right(StrEnum):
    """Seeing the row, seeing the content and acting on it are three rights, and looking after all of it a fourth."""

    #: Sees that a case is there: kind, age, EHR; no patient, no value.
    SEE_ROWS = "see_rows"
    #: Sees patients and what is written about them.
    SEE_CONTENT = "see_content"
    #: Decides cases, within licence and policy.
    DECIDE = "decide"
    #: Acts on many cases of one cause (send again, return, assign), never on what they say.
    BULK = "bulk"
    #: Sees that cases of every pool are there, and the figures of the queue; content of the own pools only.
    OVERSEE = "oversee"


class Pool(StrEnum):
    """Whose queue a case is in; neither sees the other's by default."""

    CLINICAL = "clinical"
    OPERATIONS = "operations"


@dataclass(frozen=True, kw_only=True)
class Reviewer:
    """A person at the queue.

    ``subject`` is unique under ``issuer`` (the URL of the OpenID provider); ``name`` is how colleagues call them;
    ``fhir_user`` their ``Practitioner/id`` where the provider states one; ``pools`` whose cases they are shown.
    ``is_machine``: this is no person, but a process of ours that may act where policy lets it.
    """

    tenant: str
    issuer: str
    subject: str
    name: str
    fhir_user: str | None = None
    licences: frozenset[Licence] = frozenset()
    rights: frozenset[Right] = frozenset()
    pools: frozenset[Pool] = frozenset()
    is_machine: bool = False

    @property
    def actor(self) -> str:
        """Who did it, for events and histories: nobody who logs in can be taken for the machine."""
        return f"{'machine' if self.is_machine else 'person'}:{self.subject}"

    def may(self, right: Right) -> bool:
        """Whether they hold ``right``."""
        return right in self.rights

    def may_read(self, pool: Pool) -> bool:
        """Whether they may see patients and values of what is in ``pool``: who oversees the others sees that they are there."""
        return self.may(Right.SEE_CONTENT) and pool in self.pools
