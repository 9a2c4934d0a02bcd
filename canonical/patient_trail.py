"""From a patient's record to the one that is in use in its place, as the EHR itself tells it. Never by likeness, and no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ToldBy(StrEnum):
    """From which answer of the EHR a merge is known."""

    #: The record is there, and links to the one that it was replaced by (R4 ``Patient.link``).
    LINK = "link"
    #: The EHR refuses the record by its own code for merged ones, and names the other in ``Location``.
    REDIRECT = "redirect"


class TrailEnd(StrEnum):
    """What the last record of a trail is."""

    #: It is in use: whoever was merged into it is there.
    IN_USE = "in_use"
    #: It is closed, and links to none.
    CLOSED = "closed"
    #: It was merged, and the EHR does not say into which.
    NAMELESS = "nameless"
    #: It was merged into one that was merged into it: the EHR must be put right first.
    CIRCLE = "circle"
    #: Too many merges one after the other for anybody to have meant them.
    TOO_LONG = "too_long"
    #: The EHR did not show it.
    UNREAD = "unread"


@dataclass(frozen=True, kw_only=True)
class MergeStep:
    """One merge: ``patient`` was merged into ``into`` (``Patient/id`` each), as ``told_by`` says."""

    patient: str
    into: str
    told_by: ToldBy


@dataclass(frozen=True, kw_only=True)
class PatientTrail:
    """Where the EHR led, step by step, from the record ``start`` (``Patient/id``), and what it found at the end."""

    start: str
    steps: tuple[MergeStep, ...] = ()
    end: TrailEnd

    @property
    def last(self) -> str:
        """The last record that the EHR named."""
        return self.steps[-1].into if self.steps else self.start

    @property
    def survivor(self) -> str | None:
        """The record in use in place of ``start``; ``None`` where there is none, or ``start`` is in use itself."""
        return self.last if self.steps and self.end is TrailEnd.IN_USE else None

    @property
    def is_apart(self) -> bool:
        """Whether ``start`` is in use itself: it was never merged, or is not any more."""
        return not self.steps and self.end is TrailEnd.IN_USE
