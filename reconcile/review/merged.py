"""The record in place of one that was merged, as a reviewer is shown it: which, and whether it is the patient who was named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from canonical.command import Command
from canonical.errors import NeedsPersonError
from canonical.patient_match import mismatches
from canonical.patient_trail import TrailEnd
from canonical.ports import Ehr, Trace

_WHY: Mapping[TrailEnd, str] = {
    TrailEnd.IN_USE: "The EHR does not say any more that the record was merged. Open the case again.",
    TrailEnd.CLOSED: "The record is closed, and the EHR names none in its place.",
    TrailEnd.NAMELESS: "The EHR does not name one record in its place.",
    TrailEnd.CIRCLE: "The EHR says of records that each was merged into the other: that must be put right there first.",
    TrailEnd.TOO_LONG: "The EHR names one record after the other: see there which one is in use.",
    TrailEnd.UNREAD: "The EHR did not show the record in its place. Try again later.",
}


@dataclass(frozen=True, kw_only=True)
class Successor:
    """Where the EHR leads from the record that was named.

    ``reference`` (``Patient/id``) is in use in its place, ``None`` where there is none: ``end`` says why. ``differs`` names the
    elements in which it is another than the command names.
    """

    reference: str | None
    end: TrailEnd
    differs: tuple[str, ...] = ()

    @property
    def closed(self) -> str:
        """Why nothing can be sent for it, or nothing."""
        if self.reference is None:
            return _WHY[self.end]
        if self.differs:
            said = ", ".join(self.differs)
            return f"The record in its place is not the patient whom the command names: it differs in {said}."
        return ""


def successor_of(command: Command, ehr: Ehr, trace: Trace) -> Successor:
    """Return the record in place of the one that ``command`` names, read now; raises ``EhrUnavailableError``."""
    trail = ehr.trail_of(command.named_patient, trace)
    if trail.survivor is None:
        return Successor(reference=None, end=trail.end)
    try:
        record = ehr.fetch(trail.survivor, trace).resource
    except NeedsPersonError:
        record = None
    if record is None:
        return Successor(reference=None, end=TrailEnd.UNREAD)
    differs = mismatches(record, command.envelope.patient)
    return Successor(reference=trail.survivor, end=trail.end, differs=tuple(differs))
